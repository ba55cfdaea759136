// Dialogs: a bot's modal with its fields checked before they are sent, and plain yes/no questions.

import { giveFocus, h, icon } from "./dom.js";
import { component as draw, select, TYPE } from "./components.js";
import { markdown } from "./markdown.js";

const SELECTS = new Set([
  TYPE.STRING_SELECT,
  TYPE.USER_SELECT,
  TYPE.ROLE_SELECT,
  TYPE.MENTIONABLE_SELECT,
  TYPE.CHANNEL_SELECT,
]);
const CHECKS = new Set([TYPE.RADIO, TYPE.CHECKBOXES, TYPE.CHECKBOX]);
let serial = 0;

/** What is wrong with a text for a text input, as a sentence, or null. */
export function textProblem(input, value) {
  const length = [...value].length;
  const least = input.min_length ?? 0;
  if ((input.required ?? true) && !value.trim()) return "Please fill this in.";
  if (!length) return null;
  if (length < least) return `Please write at least ${least} characters (now ${length}).`;
  if (input.max_length && length > input.max_length)
    return `Please keep to ${input.max_length} characters (now ${length}).`;
  return null;
}

function textField(input, label, description) {
  const id = `field-${(serial += 1)}`;
  const required = input.required ?? true;
  const error = h("p", { class: "error", id: `${id}-error`, role: "alert" });
  const count = h("span", { class: "count", "aria-hidden": "true" });
  const props = {
    id,
    name: input.custom_id,
    placeholder: input.placeholder,
    "aria-required": required ? "true" : null,
    "aria-describedby": `${id}-error${description ? ` ${id}-about` : ""}`,
    oninput: () => {
      show(null);
      tally();
    },
  };
  const box =
    input.style === 2 ? h("textarea", { ...props, rows: 4 }) : h("input", { ...props, type: "text" });
  box.value = input.value ?? "";
  const show = (problem) => {
    error.textContent = problem ?? "";
    if (problem) box.setAttribute("aria-invalid", "true");
    else box.removeAttribute("aria-invalid");
  };
  const tally = () => {
    count.textContent = input.max_length ? `${[...box.value].length}/${input.max_length}` : "";
  };
  tally();
  return {
    node: h(
      "div",
      { class: "field" },
      h(
        "label",
        { for: id },
        label || input.custom_id,
        required ? h("span", { class: "star", "aria-hidden": "true" }, " *") : null,
      ),
      description ? h("p", { class: "about", id: `${id}-about` }, description) : null,
      box,
      h("div", { class: "under" }, error, count),
    ),
    box,
    key: input.custom_id,
    value: () => box.value,
    check: () => {
      const problem = textProblem(input, box.value);
      show(problem);
      return !problem;
    },
  };
}

function selectField(input, label, description, store) {
  const error = h("p", { class: "error", role: "alert" });
  const required = input.required ?? true;
  let values = [];
  const menu = select({ ...input, min_values: required ? (input.min_values ?? 1) : 0 }, store, (picked) => {
    values = picked;
    error.textContent = "";
  });
  const box = menu.matches("details") ? menu.querySelector("summary") : menu;
  const read = () => (menu.values ? menu.values() : menu.value ? [menu.value] : values);
  menu.setAttribute("aria-label", label || input.placeholder || "Choose");
  return {
    node: h(
      "div",
      { class: "field" },
      h(
        "div",
        { class: "label" },
        label,
        required ? h("span", { class: "star", "aria-hidden": "true" }, " *") : null,
      ),
      description ? h("p", { class: "about" }, description) : null,
      menu,
      h("div", { class: "under" }, error),
    ),
    box,
    key: input.custom_id,
    value: read,
    check: () => {
      const missing = required && !read().length;
      error.textContent = missing ? "Please choose." : "";
      return !missing;
    },
  };
}

/** A radio group, a group of check boxes, or one check box (types 21, 22, 23). */
function checkField(input, label, description) {
  const error = h("p", { class: "error", role: "alert" });
  const single = input.type === TYPE.CHECKBOX;
  const options = single
    ? [{ value: "", label, description, default: input.default }]
    : (input.options ?? []);
  const required = !single && (input.required ?? true);
  const most = input.max_values ?? options.length;
  const boxes = options.map((o) =>
    h("input", {
      type: input.type === TYPE.RADIO ? "radio" : "checkbox",
      name: input.custom_id,
      value: o.value,
      checked: o.default,
      onchange: () => {
        error.textContent = "";
      },
    }),
  );
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const rows = options.map((o, i) =>
    h(
      "label",
      { class: "check" },
      boxes[i],
      h("span", {}, o.label, o.description ? h("small", {}, o.description) : null),
    ),
  );
  return {
    node: single
      ? h("div", { class: "field" }, rows)
      : h(
          "fieldset",
          { class: "field" },
          h(
            "legend",
            { class: "label" },
            label,
            required ? h("span", { class: "star", "aria-hidden": "true" }, " *") : null,
          ),
          description ? h("p", { class: "about" }, description) : null,
          rows,
          h("div", { class: "under" }, error),
        ),
    box: boxes[0],
    key: input.custom_id,
    value: () => (single ? boxes[0].checked : input.type === TYPE.RADIO ? (chosen()[0] ?? null) : chosen()),
    check: () => {
      const count = chosen().length;
      const least = required ? Math.max(1, input.min_values ?? 1) : 0;
      error.textContent = single
        ? ""
        : count < least
          ? least > 1
            ? `Please choose at least ${least}.`
            : "Please choose."
          : count > most
            ? `Please choose at most ${most}.`
            : "";
      return !error.textContent;
    },
  };
}

function collect(components, store, ctx, label = null, description = null) {
  return (components ?? []).flatMap((c) => {
    if (c.type === TYPE.LABEL) return collect([c.component], store, ctx, c.label, c.description);
    if (c.type === TYPE.ROW) return collect(c.components, store, ctx);
    if (c.type === TYPE.TEXT_INPUT) return [textField(c, label ?? c.label, description)];
    if (SELECTS.has(c.type)) return [selectField(c, label ?? c.placeholder ?? "", description, store)];
    if (CHECKS.has(c.type)) return [checkField(c, label ?? "", description)];
    if (c.type === TYPE.TEXT) return [{ node: h("div", { class: "content" }, markdown(c.content, ctx)) }];
    return [{ node: draw(c, { id: "modal", attachments: [] }, ctx) }];
  });
}

/**
 * Shows a bot's modal. `submit(fields)` is awaited: the dialog closes when it resolves and shows the error
 * when it rejects. Escape and Cancel close it without sending anything.
 */
export function openModal(modal, { store, ctx, submit, from }) {
  const fields = collect(modal.components, store, ctx);
  const inputs = fields.filter((f) => f.key !== undefined);
  const failure = h("p", { class: "error", role: "alert" });
  const send = h("button", { type: "submit", class: "button primary" }, "Submit");
  const title = h("h2", { id: `modal-${modal.interaction_id}` }, modal.title ?? "");
  const back = document.activeElement;
  const form = h(
    "form",
    {
      novalidate: true,
      onsubmit: async (event) => {
        event.preventDefault();
        const wrong = inputs.filter((f) => !f.check());
        if (wrong.length) {
          wrong[0].box.focus();
          return;
        }
        send.disabled = true;
        failure.textContent = "";
        try {
          await submit(Object.fromEntries(inputs.map((f) => [f.key, f.value()])));
          dialog.close();
        } catch (error) {
          failure.textContent = error.message;
          send.disabled = false;
        }
      },
    },
    fields.map((f) => f.node),
    failure,
    h(
      "footer",
      {},
      h("button", { type: "button", class: "button text", onclick: () => dialog.close() }, "Cancel"),
      send,
    ),
  );
  const dialog = h(
    "dialog",
    {
      class: "modal",
      "aria-labelledby": title.id,
      onclose: () => {
        dialog.remove();
        giveFocus(back);
      },
    },
    h(
      "header",
      {},
      title,
      h(
        "button",
        { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => dialog.close() },
        icon("close"),
      ),
    ),
    from ? h("p", { class: "from" }, `This form comes from ${from}.`) : null,
    form,
  );
  document.body.append(dialog);
  dialog.showModal();
  (inputs[0]?.box ?? send).focus();
  return dialog;
}

/** Asks before something that cannot be undone; resolves to true or false. */
export function confirmDialog(title, text, action) {
  return new Promise((resolve) => {
    const finish = (answer) => {
      resolve(answer);
      dialog.close();
    };
    const back = document.activeElement;
    const dialog = h(
      "dialog",
      {
        class: "modal",
        "aria-label": title,
        onclose: () => {
          dialog.remove();
          giveFocus(back);
          resolve(false);
        },
      },
      h("header", {}, h("h2", {}, title)),
      h("p", {}, text),
      h(
        "footer",
        {},
        h("button", { type: "button", class: "button text", onclick: () => finish(false) }, "Cancel"),
        h(
          "button",
          { type: "button", class: "button danger", autofocus: true, onclick: () => finish(true) },
          action,
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

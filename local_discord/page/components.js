// Buttons, menus and the layout components of a message. Says what was pressed through `ctx.press`.

import { cssColor, displayName, h } from "./dom.js";
import { fileCard, localUrl, picture, resolveMedia } from "./embeds.js";
import { markdown } from "./markdown.js";

export const TYPE = {
  ROW: 1,
  BUTTON: 2,
  STRING_SELECT: 3,
  TEXT_INPUT: 4,
  USER_SELECT: 5,
  ROLE_SELECT: 6,
  MENTIONABLE_SELECT: 7,
  CHANNEL_SELECT: 8,
  SECTION: 9,
  TEXT: 10,
  THUMBNAIL: 11,
  GALLERY: 12,
  FILE: 13,
  SEPARATOR: 14,
  CONTAINER: 17,
  LABEL: 18,
  RADIO: 21,
  CHECKBOXES: 22,
  CHECKBOX: 23,
};
const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "link", 6: "premium" };

const emoji = (value) =>
  value
    ? h("span", { class: "emoji", "aria-hidden": "true" }, value.id ? `:${value.name}:` : value.name)
    : null;

function button(component, message, ctx) {
  const label = [emoji(component.emoji), component.label ? h("span", {}, component.label) : null];
  const props = {
    class: `button ${STYLES[component.style] ?? "secondary"}`,
    data: { key: component.custom_id ?? component.url ?? "" },
  };
  if (!component.label) props["aria-label"] = component.emoji?.name ?? "Button";
  if (component.style === 5) {
    const url = localUrl(component.url ?? "");
    if (component.disabled || !url?.startsWith("http"))
      return h("span", { ...props, class: `${props.class} disabled`, "aria-disabled": "true" }, label);
    return h(
      "a",
      { ...props, href: url, target: "_blank", rel: "noopener noreferrer" },
      label,
      h("span", { "aria-hidden": "true" }, "↗"),
    );
  }
  const busy = ctx.busy(message.id, component.custom_id);
  return h(
    "button",
    {
      ...props,
      class: `${props.class}${busy ? " busy" : ""}`,
      type: "button",
      disabled: component.disabled || message.pending,
      "aria-busy": busy ? "true" : null,
      onclick: () => !ctx.busy(message.id, component.custom_id) && ctx.press(message, component),
    },
    label,
  );
}

/** The options of any of the select menus as `{value, label, description, emoji, default}`. */
function choices(component, store) {
  const defaults = new Set((component.default_values ?? []).map((d) => d.id));
  if (component.type === TYPE.STRING_SELECT) return component.options ?? [];
  if (component.type === TYPE.CHANNEL_SELECT) {
    const types = component.channel_types?.length ? new Set(component.channel_types) : null;
    return [...store.channels.values()]
      .filter((c) => (types ? types.has(c.type) : c.type !== 4))
      .map((c) => ({ value: c.id, label: `#${c.name}`, default: defaults.has(c.id) }));
  }
  if (component.type === TYPE.ROLE_SELECT) {
    return (store.guild?.roles ?? []).map((r) => ({
      value: r.id,
      label: `@${r.name}`,
      default: defaults.has(r.id),
    }));
  }
  return [...store.users.values()].map((u) => ({
    value: u.id,
    label: displayName(u),
    default: defaults.has(u.id),
  }));
}

/** A select menu: the browser's own for one value, check boxes for several. `pick(values)` gets the choice. */
export function select(component, store, pick) {
  const options = choices(component, store);
  const [least, most] = [component.min_values ?? 1, component.max_values ?? 1];
  const placeholder = component.placeholder || "Make a selection";
  const text = (o) =>
    [
      o.emoji && !o.emoji.id ? `${o.emoji.name} ` : "",
      o.label,
      o.description ? ` — ${o.description}` : "",
    ].join("");
  if (most === 1) {
    const chosen = options.some((o) => o.default);
    return h(
      "select",
      {
        class: "select",
        "aria-label": placeholder,
        disabled: component.disabled,
        data: { key: component.custom_id },
        onchange: (event) => pick(event.target.value ? [event.target.value] : []),
      },
      h("option", { value: "", disabled: least > 0, selected: !chosen }, placeholder),
      options.map((o) => h("option", { value: o.value, selected: o.default }, text(o))),
    );
  }
  const boxes = options.map((o) =>
    h("input", { type: "checkbox", value: o.value, checked: o.default, onchange: () => limit() }),
  );
  const values = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const done = h(
    "button",
    {
      type: "button",
      class: "button primary",
      onclick: () => {
        details.open = false;
        pick(values());
      },
    },
    "Done",
  );
  const summary = h("summary", { data: { key: component.custom_id } }, placeholder);
  const limit = () => {
    const count = values().length;
    for (const box of boxes) box.disabled = !box.checked && count >= most;
    done.disabled = count < least;
    summary.textContent = count
      ? options
          .filter((_, i) => boxes[i].checked)
          .map((o) => o.label)
          .join(", ")
      : placeholder;
  };
  const details = h(
    "details",
    { class: `select multi${component.disabled ? " disabled" : ""}` },
    summary,
    h(
      "div",
      { class: "boxes" },
      options.map((o, i) => h("label", {}, boxes[i], text(o))),
      done,
    ),
  );
  if (component.disabled) summary.addEventListener("click", (event) => event.preventDefault());
  limit();
  details.values = values;
  return details;
}

function gallery(component, message) {
  const items = component.items ?? [];
  return h(
    "div",
    { class: "gallery" },
    items.map((item) =>
      picture(resolveMedia(item.media, message.attachments), {
        alt: item.description ?? "",
        small: items.length > 1,
        hidden: item.spoiler,
      }),
    ),
  );
}

/** One component of a message as an element; kinds this page does not know are named, not dropped. */
export function component(data, message, ctx) {
  const each = (list) => (list ?? []).map((child) => component(child, message, ctx));
  switch (data.type) {
    case TYPE.ROW:
      return h("div", { class: "row" }, each(data.components));
    case TYPE.BUTTON:
      return button(data, message, ctx);
    case TYPE.STRING_SELECT:
    case TYPE.USER_SELECT:
    case TYPE.ROLE_SELECT:
    case TYPE.MENTIONABLE_SELECT:
    case TYPE.CHANNEL_SELECT:
      return select(data, ctx.store, (values) => ctx.press(message, data, values));
    case TYPE.SECTION:
      return h(
        "div",
        { class: "section" },
        h("div", {}, each(data.components)),
        data.accessory ? component(data.accessory, message, ctx) : null,
      );
    case TYPE.TEXT:
      return h("div", { class: "content" }, markdown(data.content, ctx));
    case TYPE.THUMBNAIL:
      return h(
        "div",
        { class: "thumbnail" },
        picture(resolveMedia(data.media, message.attachments), {
          alt: data.description ?? "",
          small: true,
          hidden: data.spoiler,
        }),
      );
    case TYPE.GALLERY:
      return gallery(data, message);
    case TYPE.FILE:
      return fileCard(resolveMedia(data.file, message.attachments));
    case TYPE.SEPARATOR:
      return h("hr", {
        class: `${data.divider === false ? "blank" : ""}${data.spacing === 2 ? " wide" : ""}`,
      });
    case TYPE.CONTAINER: {
      const color = cssColor(data.accent_color);
      return h("div", { class: "container", style: color ? { "--edge": color } : {} }, each(data.components));
    }
    default:
      return h("div", { class: "subtext" }, `A component of type ${data.type}, which this page cannot show`);
  }
}

// Slash commands: the flat list of what may be typed, and the form that fills in a command's options.

import { displayName, h } from "./dom.js";

const OPTION = {
  SUB: 1,
  GROUP: 2,
  STRING: 3,
  INTEGER: 4,
  BOOLEAN: 5,
  USER: 6,
  CHANNEL: 7,
  ROLE: 8,
  MENTIONABLE: 9,
  NUMBER: 10,
  FILE: 11,
};
// Kick, ban, administrator, manage channels, server, messages, roles, threads, time out.
const STAFF = [1, 2, 3, 4, 5, 13, 28, 34, 40].reduce((bits, at) => bits | (1n << BigInt(at)), 0n);

function forStaff(command) {
  const needed = command.default_member_permissions;
  if (needed === null || needed === undefined) return false;
  return BigInt(needed) === 0n || (BigInt(needed) & STAFF) !== 0n;
}

/** Every command that can be typed, subcommands spelled out: `{path, description, options, command}`. */
export function flatten(commands, moderator) {
  const out = [];
  const walk = (node, path, command) => {
    const nested = (node.options ?? []).filter((o) => o.type === OPTION.SUB || o.type === OPTION.GROUP);
    for (const child of nested) walk(child, `${path} ${child.name}`, command);
    if (!nested.length)
      out.push({ path, description: node.description ?? "", options: node.options ?? [], command });
  };
  for (const command of commands) {
    if ((command.type ?? 1) !== 1 || (forStaff(command) && !moderator)) continue;
    walk(command, command.name, command);
  }
  return out.sort((a, b) => a.path.localeCompare(b.path));
}

/** The commands that fit what was typed after the slash: those that begin with it, then those that hold it. */
export function matching(entries, typed) {
  const query = typed.trim().toLowerCase().replace(/\s+/g, " ");
  const begins = entries.filter((e) => e.path.startsWith(query));
  const holds = entries.filter(
    (e) =>
      !e.path.startsWith(query) &&
      (e.path.includes(query) || (query.length > 2 && e.description.toLowerCase().includes(query))),
  );
  return [...begins, ...holds];
}

/** What an option's text means: `{value}` or `{problem}`. */
export function readOption(option, text, picked) {
  const typed = text.trim();
  if (!typed) return option.required ? { problem: "This option is required." } : {};
  if (picked && picked.label === text) return { value: picked.value };
  if (option.choices?.length) {
    const choice = option.choices.find(
      (c) => c.name.toLowerCase() === typed.toLowerCase() || String(c.value) === typed,
    );
    return choice ? { value: choice.value } : { problem: "Choose one from the list." };
  }
  if (option.type === OPTION.BOOLEAN) {
    const yes = /^(true|yes|1)$/i.test(typed);
    return yes || /^(false|no|0)$/i.test(typed) ? { value: yes } : { problem: "True or False." };
  }
  if (option.type === OPTION.INTEGER || option.type === OPTION.NUMBER) {
    const number = Number(typed);
    if (!Number.isFinite(number) || (option.type === OPTION.INTEGER && !Number.isInteger(number)))
      return { problem: option.type === OPTION.INTEGER ? "A whole number." : "A number." };
    if (number < (option.min_value ?? -Infinity) || number > (option.max_value ?? Infinity))
      return { problem: `From ${option.min_value ?? "…"} to ${option.max_value ?? "…"}.` };
    return { value: number };
  }
  if ([OPTION.USER, OPTION.CHANNEL, OPTION.ROLE, OPTION.MENTIONABLE].includes(option.type)) {
    const id = /\d{5,}/.exec(typed)?.[0];
    return id ? { value: id } : { problem: "Choose one from the list." };
  }
  const length = [...typed].length;
  if (length < (option.min_length ?? 0)) return { problem: `At least ${option.min_length} characters.` };
  if (length > (option.max_length ?? 6000)) return { problem: `At most ${option.max_length} characters.` };
  return { value: typed };
}

export class CommandForm {
  /** `submit(entry, values)` sends it, `cancel()` gives the composer back, `complete(...)` asks the bot for choices. */
  constructor(box, { store, suggest, submit, cancel, complete }) {
    Object.assign(this, { box, store, suggest, submit, cancel, complete });
    this.entry = null;
    this.fields = [];
  }

  get open() {
    return Boolean(this.entry);
  }

  start(entry, rest = "") {
    this.entry = entry;
    this.fields = [];
    this.pill = h(
      "span",
      {
        class: "command-pill",
        tabindex: "0",
        role: "textbox",
        "aria-readonly": "true",
        "aria-label": `Command ${entry.path}. Enter sends it.`,
        onkeydown: (e) => this.pillKey(e),
      },
      `/${entry.path}`,
    );
    this.more = h("span", { class: "command-more" });
    this.problem = h("p", { class: "error", role: "alert" });
    this.about = h("p", { class: "command-about" }, entry.description);
    this.line = h("div", { class: "command-line" }, this.pill, this.more);
    this.box.replaceChildren(this.about, this.line, this.problem);
    this.box.hidden = false;
    for (const option of this.usable().filter((o) => o.required)) this.add(option);
    this.drawMore();
    if (rest && this.usable().length) {
      const field = this.fields[0] ?? this.add(this.usable()[0]);
      field.input.value = rest;
      this.size(field);
      this.drawMore();
    }
    (this.fields[0]?.input ?? this.pill).focus();
  }

  usable() {
    return this.entry.options.filter((o) => o.type !== OPTION.FILE);
  }

  stop() {
    this.entry = null;
    this.suggest.hide();
    this.box.hidden = true;
    this.box.replaceChildren();
  }

  drawMore() {
    const left = this.usable().filter((o) => !this.fields.some((f) => f.option.name === o.name));
    this.more.replaceChildren(
      ...left.map((option) =>
        h(
          "button",
          {
            type: "button",
            class: "option-add",
            title: option.description,
            onclick: () => {
              this.add(option).input.focus();
              this.drawMore();
            },
            onkeydown: (event) => {
              if (event.key === "Escape") this.cancel();
            },
          },
          `+ ${option.name}`,
        ),
      ),
    );
  }

  add(option) {
    const input = h("input", {
      type: "text",
      "aria-label": `${option.name}: ${option.description ?? ""}`,
      role: "combobox",
      "aria-expanded": "false",
      "aria-controls": "suggestions",
      "aria-required": option.required ? "true" : null,
      inputmode: option.type === OPTION.INTEGER ? "numeric" : null,
      spellcheck: "false",
      onfocus: () => {
        this.about.textContent = option.description ?? "";
        this.offer(field);
      },
      onblur: () =>
        setTimeout(() => {
          if (this.suggest.anchor === input && document.activeElement !== input) this.suggest.hide();
        }, 0),
      oninput: () => {
        input.removeAttribute("aria-invalid");
        this.problem.textContent = "";
        this.size(field);
        this.offer(field);
      },
      onkeydown: (event) => this.fieldKey(event, field),
    });
    const node = h("label", { class: "option" }, h("span", {}, option.name), input);
    const field = { option, input, node, picked: null };
    this.fields.push(field);
    this.line.insertBefore(node, this.more);
    this.size(field);
    return field;
  }

  size(field) {
    field.input.size = Math.max(4, Math.min(40, [...field.input.value].length + 1));
  }

  /** What may stand in a field, as suggestions. */
  async offer(field) {
    const { option, input } = field;
    const typed = input.value.trim().toLowerCase();
    const show = (choices, title = option.name) => {
      if (document.activeElement !== input || !this.open) return;
      this.suggest.show(choices.slice(0, 25), {
        title,
        anchor: input,
        pick: (item) => this.take(field, item),
      });
    };
    const fits = (items) => items.filter((item) => item.label.toLowerCase().includes(typed));
    if (field.picked && field.picked.label === input.value) {
      this.suggest.hide();
    } else if (option.choices?.length) {
      show(fits(option.choices.map((c) => ({ label: c.name, value: c.value }))));
    } else if (option.type === OPTION.BOOLEAN) {
      show(
        fits([
          { label: "True", value: true },
          { label: "False", value: false },
        ]),
      );
    } else if (option.type === OPTION.USER || option.type === OPTION.MENTIONABLE) {
      show(
        fits(
          [...this.store.users.values()].map((u) => ({
            label: displayName(u),
            value: u.id,
            detail: u.bot ? "Bot" : "",
          })),
        ),
      );
    } else if (option.type === OPTION.CHANNEL) {
      const types = option.channel_types?.length ? new Set(option.channel_types) : null;
      show(
        fits(
          [...this.store.channels.values()]
            .filter((c) => !types || types.has(c.type))
            .map((c) => ({ label: `#${c.name}`, value: c.id })),
        ),
      );
    } else if (option.autocomplete) {
      clearTimeout(this.timer);
      const ticket = (this.ticket = {});
      this.timer = setTimeout(async () => {
        const choices = await this.complete(this.entry, this.partial(), option.name).catch(() => []);
        if (this.ticket === ticket) show(choices.map((c) => ({ label: c.name, value: c.value })));
      }, 150);
    } else {
      this.suggest.hide();
    }
  }

  take(field, item) {
    field.input.value = item.label;
    field.picked = item;
    this.size(field);
    const next = this.fields[this.fields.indexOf(field) + 1];
    if (next) next.input.focus();
    else field.input.focus();
  }

  partial() {
    return Object.fromEntries(
      this.fields
        .map((f) => [f.option.name, f.picked?.label === f.input.value ? f.picked.value : f.input.value])
        .filter(([, value]) => value !== ""),
    );
  }

  drop(field) {
    const at = this.fields.indexOf(field);
    this.fields.splice(at, 1);
    field.node.remove();
    this.drawMore();
    (this.fields[at - 1]?.input ?? this.pill).focus();
  }

  fieldKey(event, field) {
    if (
      event.isComposing ||
      this.suggest.key(event, { tab: field.input.value !== "" || field.option.required })
    )
      return;
    if (event.key === "Enter") this.send();
    else if (event.key === "Escape") this.cancel();
    else if (event.key === "Backspace" && !field.input.value) {
      if (!field.option.required) this.drop(field);
      else if (field === this.fields[0]) this.cancel();
      else this.fields[this.fields.indexOf(field) - 1].input.focus();
    } else return;
    event.preventDefault();
  }

  pillKey(event) {
    if (event.key === "Enter") this.send();
    else if (event.key === "Escape" || event.key === "Backspace") this.cancel();
    else return;
    event.preventDefault();
  }

  send() {
    const values = {};
    for (const field of this.fields) {
      const { value, problem } = readOption(field.option, field.input.value, field.picked);
      if (problem) {
        field.input.setAttribute("aria-invalid", "true");
        this.problem.textContent = `${field.option.name}: ${problem}`;
        field.input.focus();
        return;
      }
      if (value !== undefined) values[field.option.name] = value;
    }
    const { entry } = this;
    this.stop();
    this.submit(entry, values);
  }
}

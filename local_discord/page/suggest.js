// The list above the composer that offers commands, choices, people and channels.

import { $, h } from "./dom.js";

export class Suggest {
  constructor() {
    this.box = $("suggestions");
    this.items = [];
    this.active = -1;
    this.anchor = null;
  }

  get open() {
    return !this.box.hidden;
  }

  /** Shows items `{label, detail?, description?, mark?, value}` for the text box `anchor`. */
  show(items, { title, anchor, pick, select = 0 }) {
    if (!items.length) {
      this.hide();
      return;
    }
    if (this.anchor && this.anchor !== anchor) this.release();
    Object.assign(this, { items, anchor, pickItem: pick });
    this.box.replaceChildren(
      h("div", { class: "suggest-title", "aria-hidden": "true" }, title),
      ...items.map((item, i) =>
        h(
          "div",
          {
            id: `suggestion-${i}`,
            class: "suggestion",
            role: "option",
            "aria-selected": "false",
            onpointermove: () => this.active !== i && this.move(i, false),
            onpointerdown: (event) => event.preventDefault(),
            onclick: () => this.pick(i),
          },
          item.mark ?? null,
          h(
            "span",
            { class: "suggest-label" },
            h("strong", {}, item.label),
            item.detail ? h("span", { class: "detail" }, item.detail) : null,
            item.description ? h("span", { class: "description" }, item.description) : null,
          ),
          item.source ? h("span", { class: "source" }, item.source) : null,
        ),
      ),
    );
    this.box.hidden = false;
    if (anchor.role === "combobox") anchor.setAttribute("aria-expanded", "true");
    this.move(select, true);
  }

  move(index, scroll = true) {
    const options = [...this.box.querySelectorAll(".suggestion")];
    this.active = index < 0 ? -1 : index % options.length;
    options.forEach((node, i) => node.setAttribute("aria-selected", String(i === this.active)));
    if (this.active < 0) this.anchor?.removeAttribute("aria-activedescendant");
    else this.anchor?.setAttribute("aria-activedescendant", `suggestion-${this.active}`);
    if (scroll) options[this.active]?.scrollIntoView({ block: "nearest" });
  }

  step(by) {
    this.move((this.active + by + this.items.length) % this.items.length);
  }

  pick(index = this.active) {
    const item = this.items[index];
    if (!item) return false;
    const { pickItem } = this;
    this.hide();
    pickItem(item);
    return true;
  }

  release() {
    if (this.anchor?.role === "combobox") this.anchor.setAttribute("aria-expanded", "false");
    this.anchor?.removeAttribute("aria-activedescendant");
  }

  hide() {
    this.release();
    this.box.hidden = true;
    this.box.replaceChildren();
    this.items = [];
    this.active = -1;
  }

  /** Arrow keys, Enter, Tab and Escape while the list is open; true when the key was used. */
  key(event, { tab = true } = {}) {
    if (!this.open || event.isComposing) return false;
    if (event.key === "ArrowDown") this.step(1);
    else if (event.key === "ArrowUp") this.step(-1);
    else if (event.key === "Escape") this.hide();
    else if ((event.key === "Enter" && !event.shiftKey) || (event.key === "Tab" && tab && !event.shiftKey)) {
      if (!this.pick()) return false;
    } else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }
}

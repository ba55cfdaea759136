// The message list: groups, dividers, and keeping the reading position while messages come in.

import { $, fit, h, icon, place } from "./dom.js";
import { keepPictures } from "./embeds.js";
import { formatTime } from "./markdown.js";
import { day, invoked, MessageRows, timeOf } from "./message.js";
import { channelIcon, compareIds, DIRECT, FLAG, isThread, NEVER } from "./store.js";

const GROUP_MS = 7 * 60 * 1000;
const NEAR_BOTTOM = 60;

export class MessageList {
  /** `ctx` draws mentions and handles button presses; `actions` has reply, edit, remove, dismiss, open, older. */
  constructor(store, ctx, actions) {
    Object.assign(this, { store, ctx, actions });
    this.list = $("messages");
    this.scroller = $("scroller");
    this.rows = new Map();
    this.make = new MessageRows(store, ctx, actions, this);
    this.editing = null;
    this.pinned = true;
    this.divider = null;
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    $("to-bottom").addEventListener("click", () => this.toBottom());
    new ResizeObserver(() => this.keepPlace()).observe(this.list);
    new ResizeObserver(() => this.keepPlace()).observe(this.scroller);
    this.list.addEventListener("click", (event) => this.touched(event));
  }

  /** Turns to another channel; the divider stands above the first message that was not read yet. */
  show(channelId) {
    this.channelId = channelId;
    this.editing = null;
    this.pinned = true;
    const read = this.store.read.get(channelId);
    this.divider = this.store.unread.has(channelId) && read !== NEVER ? read : null;
    this.list.replaceChildren();
    this.rows.clear();
    this.render();
    this.toBottom();
  }

  atBottom() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < NEAR_BOTTOM;
  }

  toBottom() {
    this.pinned = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.noteRead();
  }

  keepPlace() {
    if (this.pinned) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  scrolled() {
    this.pinned = this.atBottom();
    if (this.pinned) this.noteRead();
    if (this.scroller.scrollTop < 80) this.actions.older();
    this.drawJump();
  }

  /** Whether a new message in `channelId` would be in front of the person's eyes. */
  watching(channelId) {
    return channelId === this.channelId && document.visibilityState === "visible" && this.pinned;
  }

  noteRead() {
    if (this.channelId && document.visibilityState === "visible" && this.store.history(this.channelId).loaded)
      this.store.markRead(this.channelId);
  }

  /** Puts the divider where the person stopped reading, once they look away. */
  lookAway() {
    this.divider = this.store.read.get(this.channelId) ?? null;
    this.render();
  }

  /** Back again: a divider above nothing would only stand before the next message that is watched coming in. */
  lookBack() {
    if (!this.store.unread.has(this.channelId)) this.divider = null;
    if (this.pinned) this.noteRead();
  }

  drawJump() {
    const count = this.store.unread.get(this.channelId)?.count ?? 0;
    const button = $("to-bottom");
    button.hidden = this.pinned || this.atBottom();
    button.replaceChildren(
      count ? `${count} new message${count === 1 ? "" : "s"}` : "Jump to the newest",
      icon("down", 16),
    );
    button.classList.toggle("new", count > 0);
  }

  plan() {
    const { store, channelId } = this;
    const history = store.history(channelId);
    const messages = store.messages(channelId);
    const plan = [];
    if (history.complete)
      plan.push({ key: "start", of: [store.channel(channelId)?.name], build: () => this.beginning() });
    let last = null;
    let divided = false;
    for (const message of messages) {
      const time = timeOf(message);
      if (!last || day(timeOf(last)) !== day(time)) {
        plan.push({ key: `day-${day(time)}`, of: [], build: () => this.line("day", formatTime(time, "D")) });
        last = null;
      }
      const unread = this.divider && !divided && !message.pending && compareIds(message.id, this.divider) > 0;
      if (unread && message.author?.id !== store.me.id) {
        plan.push({ key: "new", of: [], build: () => this.line("new", "New") });
        divided = true;
        last = null;
      }
      const grouped = this.grouped(last, message);
      const editing = this.editing === message.id;
      const thread = message.thread ? (store.channel(message.thread.id) ?? message.thread) : null;
      const of = [
        editing || message,
        grouped,
        editing,
        store.failures.get(message.id),
        thread,
        this.ctx.busyKeys(message.id),
      ];
      plan.push({ key: message.id, of, build: () => this.make.row(message, grouped, editing, thread) });
      last = message;
    }
    if (!messages.length && history.loaded && !history.complete)
      plan.push({ key: "empty", of: [], build: () => this.line("day", "No messages yet") });
    if (!history.loaded) plan.push({ key: "loading", of: [], build: () => this.skeleton() });
    return plan;
  }

  render() {
    if (!this.channelId || !this.store.me) return;
    const plan = this.plan();
    const focus = document.activeElement?.closest("#messages [data-key]");
    const focused = focus && { row: focus.closest("li")?.dataset.row, key: focus.dataset.key };
    const nodes = plan.map(({ key, of, build }) => {
      const held = this.rows.get(key);
      if (held && held.of.every((value, i) => value === of[i])) return held.node;
      const node = build();
      node.dataset.row = key;
      if (held) {
        keepPictures(held.node, node);
        held.node.replaceWith(node);
      }
      this.rows.set(key, { node, of });
      return node;
    });
    const keys = new Set(plan.map((entry) => entry.key));
    for (const key of this.rows.keys()) if (!keys.has(key)) this.rows.delete(key);
    place(this.list, nodes);
    if (focused && !focus.isConnected) {
      const again = this.rows.get(focused.row)?.node.querySelector(`[data-key="${CSS.escape(focused.key)}"]`);
      (again && !again.disabled ? again : $("input")).focus({ preventScroll: true });
    }
    this.keepPlace();
    if (this.pinned) this.noteRead();
    this.drawJump();
  }

  grouped(last, message) {
    return (
      Boolean(last) &&
      !this.make.system(last) &&
      !this.make.system(message) &&
      last.author?.id === message.author?.id &&
      timeOf(message) - timeOf(last) < GROUP_MS &&
      !message.message_reference &&
      !invoked(message) &&
      Boolean(last.flags & FLAG.EPHEMERAL) === Boolean(message.flags & FLAG.EPHEMERAL)
    );
  }

  line(kind, text) {
    return h(
      "li",
      { class: `line ${kind}`, "aria-label": kind === "new" ? "New messages" : text },
      h("span", {}, text),
    );
  }

  skeleton() {
    return h(
      "li",
      { class: "skeleton", "aria-label": "Loading messages" },
      [80, 45, 65].map((width) =>
        h(
          "div",
          {},
          h("span", { class: "disc" }),
          h(
            "span",
            { class: "strokes" },
            h("i", { style: { width: "110px" } }),
            h("i", { style: { width: `${width}%` } }),
          ),
        ),
      ),
    );
  }

  beginning() {
    const channel = this.store.channel(this.channelId);
    const topic = channel?.topic || "This is where the channel begins. Type / to see what the bots can do.";
    const [title, text] = isThread(channel)
      ? [channel.name, "The thread begins here."]
      : channel?.type === DIRECT
        ? [channel.name, `What you and ${channel.name} write here, nobody else sees.`]
        : [`Welcome to #${channel?.name ?? ""}`, topic];
    return h(
      "li",
      { class: "beginning" },
      h("span", { class: "round" }, icon(channelIcon(channel), 34)),
      h("h2", {}, title),
      h("p", {}, text),
    );
  }

  edit(message) {
    this.editing = message.id;
    this.render();
    const box = this.rows.get(message.id)?.node.querySelector("textarea");
    box?.focus();
    box?.setSelectionRange(box.value.length, box.value.length);
    fit(box);
  }

  /** Opens the last own message for editing; false if there is none. */
  editLast() {
    const last = this.store
      .messages(this.channelId)
      .filter((m) => m.author?.id === this.store.me.id && !m.pending && m.type !== 20)
      .at(-1);
    if (last) this.edit(last);
    return Boolean(last);
  }

  /** On screens without a pointer that hovers, a tap on a message shows its actions. */
  touched(event) {
    const row = event.target.closest("li.message");
    const busy = event.target.closest("a, button, input, select, textarea, summary");
    for (const other of this.list.querySelectorAll(".touched"))
      if (other !== row) other.classList.remove("touched");
    if (row && !busy && matchMedia("(hover: none)").matches) row.classList.toggle("touched");
  }
}

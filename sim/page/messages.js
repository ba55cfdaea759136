// The message list: groups, dividers, replies, editing in place, and keeping the reading position.

import { $, avatar, badge, displayName, h, icon, iconButton, userColor } from "./dom.js";
import { component } from "./components.js";
import { attachments, embed, keepPictures } from "./embeds.js";
import { formatTime, markdown, plainText } from "./markdown.js";
import { compareIds, FLAG, isThread } from "./store.js";

const GROUP_MS = 7 * 60 * 1000;
const NEAR_BOTTOM = 60;
const SYSTEM = new Set([1, 2, 3, 4, 5, 6, 7, 8, 12, 18, 21]);

const timeOf = (message) => Date.parse(message.timestamp);
const day = (time) => new Date(time).toDateString();

export class MessageList {
  /** `ctx` draws mentions and hears presses; `actions` has reply, edit, remove, open. */
  constructor(store, ctx, actions) {
    Object.assign(this, { store, ctx, actions });
    this.list = $("messages");
    this.scroller = $("scroller");
    this.rows = new Map();
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
    this.divider = read && read !== "0" ? read : null;
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
    if (this.channelId && document.visibilityState === "visible" && this.store.history(this.channelId).loaded) this.store.markRead(this.channelId);
  }

  /** Puts the divider where the person stopped reading, once they look away. */
  lookAway() {
    this.divider = this.store.read.get(this.channelId) ?? null;
    this.render();
  }

  drawJump() {
    const count = this.store.unread.get(this.channelId)?.count ?? 0;
    const button = $("to-bottom");
    button.hidden = this.pinned || this.atBottom();
    button.replaceChildren(count ? `${count} new message${count === 1 ? "" : "s"}` : "Jump to the newest", icon("down", 16));
    button.classList.toggle("new", count > 0);
  }

  plan() {
    const { store, channelId } = this;
    const history = store.history(channelId);
    const messages = store.messages(channelId);
    const plan = [];
    if (history.complete) plan.push({ key: "start", of: [store.channel(channelId)?.name], build: () => this.beginning() });
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
      const of = [editing || message, grouped, editing, store.failures.get(message.id), thread, ctxBusy(this.ctx, message)];
      plan.push({ key: message.id, of, build: () => this.row(message, grouped, editing, thread) });
      last = message;
    }
    if (!messages.length && history.loaded && !history.complete) plan.push({ key: "empty", of: [], build: () => this.line("day", "No messages yet") });
    if (!history.loaded) plan.push({ key: "loading", of: [], build: () => this.skeleton() });
    return plan;
  }

  render() {
    if (!this.channelId || !this.store.me) return;
    const plan = this.plan();
    const focus = document.activeElement?.closest("#messages [data-key]");
    const focused = focus && { row: focus.closest("li")?.dataset.row, key: focus.dataset.key };
    const keep = new Set(plan.map((entry) => entry.key));
    for (const [key, row] of this.rows) {
      if (!keep.has(key)) {
        row.node.remove();
        this.rows.delete(key);
      }
    }
    let place = this.list.firstElementChild;
    for (const { key, of, build } of plan) {
      const held = this.rows.get(key);
      let node = held?.node;
      if (!held || held.of.some((value, i) => value !== of[i])) {
        node = build();
        node.dataset.row = key;
        if (held) {
          keepPictures(held.node, node);
          if (place === held.node) place = node;
          held.node.replaceWith(node);
        }
        this.rows.set(key, { node, of });
      }
      if (node === place) place = place.nextElementSibling;
      else this.list.insertBefore(node, place);
    }
    if (focused && !focus.isConnected) {
      this.rows.get(focused.row)?.node.querySelector(`[data-key="${CSS.escape(focused.key)}"]`)?.focus({ preventScroll: true });
    }
    this.keepPlace();
    if (this.pinned) this.noteRead();
    this.drawJump();
  }

  grouped(last, message) {
    return Boolean(last) && !this.system(last) && !this.system(message) && last.author?.id === message.author?.id
      && timeOf(message) - timeOf(last) < GROUP_MS && !message.message_reference && !invoked(message)
      && Boolean(last.flags & FLAG.EPHEMERAL) === Boolean(message.flags & FLAG.EPHEMERAL);
  }

  system(message) {
    return SYSTEM.has(message.type);
  }

  line(kind, text) {
    return h("li", { class: `line ${kind}`, role: "separator", "aria-label": kind === "new" ? "New messages" : text }, h("span", {}, text));
  }

  skeleton() {
    return h("li", { class: "skeleton", "aria-label": "Loading messages" }, [80, 45, 65].map((width) =>
      h("div", {}, h("span", { class: "disc" }), h("span", { class: "strokes" }, h("i", { style: { width: "110px" } }), h("i", { style: { width: `${width}%` } })))));
  }

  beginning() {
    const channel = this.store.channel(this.channelId);
    const thread = isThread(channel);
    return h("li", { class: "beginning" }, h("span", { class: "round" }, icon(thread ? "thread" : "hash", 34)),
      h("h2", {}, thread ? channel.name : `Welcome to #${channel?.name ?? ""}`),
      h("p", {}, thread ? "The thread begins here." : channel?.topic || "This is where the channel begins. Type / to see what the bots can do."));
  }

  systemRow(message) {
    const name = h("strong", {}, displayName(this.store.author(message.author)));
    const thread = message.thread?.id ?? message.message_reference?.channel_id;
    const said = {
      6: ["pinned a message."], 7: ["joined."], 4: ["renamed this to ", h("strong", {}, message.content), "."],
      18: ["started a thread: ", h("button", { type: "button", class: "link", onclick: () => thread && this.actions.open(thread) }, message.content || "see it"), "."],
      21: ["started this thread."],
    }[message.type] ?? [message.content];
    return h("li", { class: "system", data: { id: message.id } }, icon("thread", 16), h("span", {}, name, " ", said), this.time(message, "t"));
  }

  time(message, style) {
    const time = timeOf(message);
    return h("time", { datetime: message.timestamp, title: formatTime(time, "F") }, style ? formatTime(time, style) : this.when(time));
  }

  when(time) {
    if (day(time) === day(Date.now())) return formatTime(time, "t");
    return day(time) === day(Date.now() - 86400000) ? `Yesterday ${formatTime(time, "t")}` : `${formatTime(time, "d")} ${formatTime(time, "t")}`;
  }

  names() {
    return { user: (id) => displayName(this.store.user(id)), channel: (id) => this.store.channel(id)?.name ?? "unknown" };
  }

  reply(message) {
    if (!message.message_reference || message.type === 21) return null;
    const to = message.referenced_message ?? this.store.history(this.channelId).messages.get(message.message_reference.message_id);
    if (!to) return h("div", { class: "reply gone" }, icon("reply", 14), h("em", {}, "The original message was deleted"));
    const author = this.store.author(to.author);
    const text = plainText(to.content, this.names()) || (to.attachments?.length ? "Picture" : "See the message");
    const seek = () => {
      const target = this.rows.get(to.id)?.node;
      target?.scrollIntoView({ block: "center" });
      target?.classList.add("found");
      setTimeout(() => target?.classList.remove("found"), 1600);
    };
    return h("button", { type: "button", class: "reply", onclick: seek, data: { key: "reply" } }, avatar(author, 16),
      h("span", { class: "who", style: { "--name": userColor(author) } }, displayName(author)), h("span", { class: "said" }, text));
  }

  /** "Robin used /play" above a bot's answer to a slash command. */
  invocation(message) {
    if (!invoked(message)) return null;
    const user = this.store.author(message.interaction_metadata?.user ?? message.interaction?.user);
    const name = message.interaction?.name ?? message.interaction_metadata?.name;
    return h("div", { class: "reply used" }, avatar(user, 16), h("span", { class: "who" }, displayName(user)), " used ",
      name ? h("span", { class: "command-name" }, `/${name}`) : "a command");
  }

  row(message, grouped, editing, thread) {
    if (this.system(message)) return this.systemRow(message);
    const { store } = this;
    const author = store.author(message.author);
    const ephemeral = Boolean(message.flags & FLAG.EPHEMERAL);
    const label = `${displayName(author)}, ${formatTime(timeOf(message), "t")}`;
    const kinds = ["message", grouped ? "grouped" : "first", ephemeral && "ephemeral", store.mentionsMe(message) && "calls-me", message.pending && "pending"];
    const above = [this.reply(message), this.invocation(message)];
    return h("li", { class: kinds.filter(Boolean).join(" "), data: { id: message.id } },
      above,
      h("div", { class: "gutter" }, grouped ? this.time(message, "t") : avatar(author)),
      h("article", { class: "body", "aria-label": label },
        grouped ? null : h("header", {}, h("span", { class: "author", style: { "--name": userColor(author) } }, displayName(author)), badge(author), this.time(message)),
        editing ? this.editor(message) : this.text(message),
        editing ? null : this.rest(message, thread, ephemeral)),
      editing || message.pending ? null : this.toolbar(message, ephemeral));
  }

  text(message) {
    if (message.flags & FLAG.LOADING && !message.content) {
      return h("div", { class: "content thinking" }, h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), `${displayName(this.store.author(message.author))} is thinking…`);
    }
    if (!message.content && !message.edited_timestamp) return null;
    if (!message.content) return null;
    const jumbo = /^(?:\p{Extended_Pictographic}[\u{1f3fb}-\u{1f3ff}\ufe0f\u200d]*\s?){1,6}$/u.test(message.content);
    const edited = message.edited_timestamp && !message.author?.bot
      ? h("span", { class: "edited", title: formatTime(Date.parse(message.edited_timestamp), "F") }, " (edited)") : null;
    const node = h("div", { class: `content${jumbo ? " jumbo" : ""}` }, markdown(message.content, this.ctx));
    if (edited) (node.lastElementChild?.matches(".text") ? node.lastElementChild : node).append(edited);
    return node;
  }

  rest(message, thread, ephemeral) {
    const failure = this.store.failures.get(message.id);
    return [
      attachments(message),
      message.flags & FLAG.SUPPRESS_EMBEDS ? null : (message.embeds ?? []).map((data) => embed(data, message, this.ctx)),
      message.components?.length ? h("div", { class: "components" }, message.components.map((data) => component(data, message, this.ctx))) : null,
      message.reactions?.length ? h("div", { class: "reactions" }, message.reactions.map((r) => h("span", { class: r.me ? "mine" : "" }, r.emoji?.name, " ", r.count))) : null,
      thread ? h("button", { type: "button", class: "thread-card", data: { key: "thread" }, onclick: () => this.actions.open(thread.id) },
        icon("thread", 18), h("strong", {}, thread.name), h("span", {}, thread.thread_metadata?.archived ? "Archived" : "See thread ›")) : null,
      failure ? h("p", { class: "failure", role: "alert" }, failure) : null,
      ephemeral && !message.pending ? h("footer", { class: "only-you" }, icon("eye", 16), "Only you can see this • ",
        h("button", { type: "button", class: "link", onclick: () => this.store.dismiss(message.id) }, "Dismiss message")) : null,
    ];
  }

  toolbar(message, ephemeral) {
    if (ephemeral) return null;
    const mine = message.author?.id === this.store.me.id;
    const may = mine || this.store.me.moderator;
    return h("div", { class: "toolbar", role: "group", "aria-label": "Message actions" },
      iconButton("reply", "Reply", () => this.actions.reply(message)),
      mine ? iconButton("edit", "Edit", () => this.edit(message)) : null,
      may ? iconButton("trash", "Delete", (event) => this.actions.remove(message, event.shiftKey), { class: "icon-button danger" }) : null);
  }

  edit(message) {
    this.editing = message.id;
    this.render();
    const box = this.rows.get(message.id)?.node.querySelector("textarea");
    box?.focus();
    box?.setSelectionRange(box.value.length, box.value.length);
    fit(box);
  }

  /** Opens the last message of one's own for editing; false when there is none. */
  editLast() {
    const last = this.store.messages(this.channelId).filter((m) => m.author?.id === this.store.me.id && !m.pending && m.type !== 20).at(-1);
    if (last) this.edit(last);
    return Boolean(last);
  }

  editor(message) {
    const stop = () => {
      this.editing = null;
      this.render();
      $("input").focus();
    };
    const save = async () => {
      const text = box.value.trim();
      stop();
      if (text !== message.content) await this.actions.edit(message, text);
    };
    const box = h("textarea", {
      rows: 1, maxlength: 2000, "aria-label": "Edit the message", oninput: () => fit(box),
      onkeydown: (event) => {
        if (event.key === "Escape") stop();
        else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) save();
        else return;
        event.preventDefault();
        event.stopPropagation();
      },
    });
    box.value = message.content;
    return h("div", { class: "editor" }, box, h("p", {}, "Escape to ", h("button", { type: "button", class: "link", onclick: stop }, "cancel"),
      " • Enter to ", h("button", { type: "button", class: "link", onclick: save }, "save")));
  }

  /** On screens without a pointer that hovers, a tap on a message shows its actions. */
  touched(event) {
    const row = event.target.closest("li.message");
    const busy = event.target.closest("a, button, input, select, textarea, summary");
    for (const other of this.list.querySelectorAll(".touched")) if (other !== row) other.classList.remove("touched");
    if (row && !busy && matchMedia("(hover: none)").matches) row.classList.toggle("touched");
  }
}

const ctxBusy = (ctx, message) => ctx.busyKeys(message.id);
const invoked = (message) => Boolean(message.interaction || (message.interaction_metadata && message.type === 20));

/** Makes a text area as tall as its text. */
export function fit(box) {
  if (!box) return;
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, innerHeight * 0.4)}px`;
}

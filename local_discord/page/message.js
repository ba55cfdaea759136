// One message as a row of the list: who, when, what it answers, its parts, and editing it in place.

import { $, avatar, badge, displayName, fit, h, icon, iconButton, userColor } from "./dom.js";
import { component } from "./components.js";
import { attachments, embed } from "./embeds.js";
import { formatTime, markdown, plainText } from "./markdown.js";
import { FLAG } from "./store.js";

const SYSTEM = new Set([1, 2, 3, 4, 5, 6, 7, 8, 12, 18, 21]);

export const timeOf = (message) => Date.parse(message.timestamp);
export const day = (time) => new Date(time).toDateString();

/** Whether a message answers a slash command. */
export const invoked = (message) =>
  Boolean(message.interaction || (message.interaction_metadata && message.type === 20));

export class MessageRows {
  /** `ctx` draws mentions and handles button presses, `actions` are the actions on messages, `list` holds the rows. */
  constructor(store, ctx, actions, list) {
    Object.assign(this, { store, ctx, actions, list });
  }

  system(message) {
    return SYSTEM.has(message.type);
  }

  systemRow(message) {
    const name = h("strong", {}, displayName(this.store.author(message.author)));
    const thread = message.thread?.id ?? message.message_reference?.channel_id;
    const said = {
      6: ["pinned a message."],
      7: ["joined."],
      4: ["renamed this to ", h("strong", {}, message.content), "."],
      18: [
        "started a thread: ",
        h(
          "button",
          { type: "button", class: "link", onclick: () => thread && this.actions.open(thread) },
          message.content || "see it",
        ),
        ".",
      ],
      21: ["started this thread."],
    }[message.type] ?? [message.content];
    return h(
      "li",
      { class: "system", data: { id: message.id } },
      icon("thread", 16),
      h("span", {}, name, " ", said),
      this.time(message, "t"),
    );
  }

  time(message, style) {
    const time = timeOf(message);
    return h(
      "time",
      { datetime: message.timestamp, title: formatTime(time, "F") },
      style ? formatTime(time, style) : this.when(time),
    );
  }

  when(time) {
    if (day(time) === day(Date.now())) return formatTime(time, "t");
    return day(time) === day(Date.now() - 86400000)
      ? `Yesterday ${formatTime(time, "t")}`
      : `${formatTime(time, "d")} ${formatTime(time, "t")}`;
  }

  names() {
    return {
      user: (id) => displayName(this.store.user(id)),
      channel: (id) => this.store.channel(id)?.name ?? "unknown",
    };
  }

  reply(message) {
    if (!message.message_reference || message.type === 21) return null;
    const to =
      message.referenced_message ??
      this.store.history(this.list.channelId).messages.get(message.message_reference.message_id);
    if (!to)
      return h(
        "div",
        { class: "reply gone" },
        icon("reply", 14),
        h("em", {}, "The original message was deleted"),
      );
    const author = this.store.author(to.author);
    const text =
      plainText(to.content, this.names()) || (to.attachments?.length ? "Picture" : "See the message");
    const seek = () => {
      const target = this.list.rows.get(to.id)?.node;
      target?.scrollIntoView({ block: "center" });
      target?.classList.add("found");
      setTimeout(() => target?.classList.remove("found"), 1600);
    };
    return h(
      "button",
      { type: "button", class: "reply", onclick: seek, data: { key: "reply" } },
      avatar(author, 16),
      h("span", { class: "who", style: { "--name": userColor(author) } }, displayName(author)),
      h("span", { class: "said" }, text),
    );
  }

  /** "Robin used /command" above a bot's answer to a slash command. */
  invocation(message) {
    if (!invoked(message)) return null;
    const user = this.store.author(message.interaction_metadata?.user ?? message.interaction?.user);
    const name = message.interaction?.name ?? message.interaction_metadata?.name;
    return h(
      "div",
      { class: "reply used" },
      avatar(user, 16),
      h("span", { class: "who" }, displayName(user)),
      "used",
      name ? h("span", { class: "command-name" }, `/${name}`) : "a command",
    );
  }

  row(message, grouped, editing, thread) {
    if (message.type === 21 && message.referenced_message) {
      const original = {
        ...message.referenced_message,
        id: message.id,
        channel_id: message.channel_id,
        components: [],
        message_reference: null,
        thread: null,
      };
      return this.row({ ...original, type: 0, copy: true }, false, false, null);
    }
    if (this.system(message)) return this.systemRow(message);
    const { store } = this;
    const author = store.author(message.author);
    const ephemeral = Boolean(message.flags & FLAG.EPHEMERAL);
    const label = `${displayName(author)}, ${formatTime(timeOf(message), "t")}`;
    const kinds = [
      "message",
      grouped ? "grouped" : "first",
      ephemeral && "ephemeral",
      store.mentionsMe(message) && "calls-me",
      message.pending && "pending",
    ];
    const above = [this.reply(message), this.invocation(message)];
    return h(
      "li",
      { class: kinds.filter(Boolean).join(" "), data: { id: message.id } },
      above,
      h("div", { class: "gutter" }, grouped ? this.time(message, "t") : avatar(author)),
      h(
        "article",
        { class: "body", "aria-label": label },
        grouped
          ? null
          : h(
              "header",
              {},
              h("span", { class: "author", style: { "--name": userColor(author) } }, displayName(author)),
              badge(author),
              this.time(message),
            ),
        editing ? this.editor(message) : this.text(message),
        editing ? null : this.rest(message, thread, ephemeral),
      ),
      editing || message.pending || message.copy ? null : this.toolbar(message, ephemeral),
    );
  }

  text(message) {
    if (message.flags & FLAG.LOADING && !message.content) {
      return h(
        "div",
        { class: "content thinking" },
        h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")),
        `${displayName(this.store.author(message.author))} is thinking…`,
      );
    }
    if (!message.content && !message.edited_timestamp) return null;
    if (!message.content) return null;
    const jumbo = /^(?:\p{Extended_Pictographic}[\u{1f3fb}-\u{1f3ff}\ufe0f\u200d]*\s?){1,6}$/u.test(
      message.content,
    );
    const edited =
      message.edited_timestamp && !message.author?.bot
        ? h(
            "span",
            { class: "edited", title: formatTime(Date.parse(message.edited_timestamp), "F") },
            " (edited)",
          )
        : null;
    const node = h("div", { class: `content${jumbo ? " jumbo" : ""}` }, markdown(message.content, this.ctx));
    if (edited) (node.lastElementChild?.matches(".text") ? node.lastElementChild : node).append(edited);
    return node;
  }

  rest(message, thread, ephemeral) {
    const failure = this.store.failures.get(message.id);
    return [
      attachments(message),
      message.flags & FLAG.SUPPRESS_EMBEDS
        ? null
        : (message.embeds ?? []).map((data) => embed(data, message, this.ctx)),
      message.components?.length
        ? h(
            "div",
            { class: "components" },
            message.components.map((data) => component(data, message, this.ctx)),
          )
        : null,
      message.reactions?.length
        ? h(
            "div",
            { class: "reactions" },
            message.reactions.map((r) =>
              h(
                "button",
                {
                  type: "button",
                  "aria-label": `${r.emoji?.name}, ${r.count}${r.me ? ", yours" : ""}`,
                  class: r.me ? "mine" : null,
                  disabled: r.me,
                  onclick: () => this.actions.react(message, r.emoji),
                },
                `${r.emoji?.name} ${r.count}`,
              ),
            ),
          )
        : null,
      thread
        ? h(
            "button",
            {
              type: "button",
              class: "thread-card",
              data: { key: "thread" },
              onclick: () => this.actions.open(thread.id),
            },
            icon("thread", 18),
            h("strong", {}, thread.name),
            h("span", {}, thread.thread_metadata?.archived ? "Archived" : "See thread ›"),
          )
        : null,
      failure ? h("p", { class: "failure", role: "alert" }, failure) : null,
      ephemeral && !message.pending
        ? h(
            "footer",
            { class: "only-you" },
            icon("eye", 16),
            "Only you can see this • ",
            h(
              "button",
              { type: "button", class: "link", onclick: () => this.actions.dismiss(message) },
              "Dismiss message",
            ),
          )
        : null,
    ];
  }

  toolbar(message, ephemeral) {
    if (ephemeral) return null;
    const mine = message.author?.id === this.store.me.id;
    const may = mine || this.store.me.moderator;
    return h(
      "div",
      { class: "toolbar", role: "group", "aria-label": "Message actions" },
      iconButton("reply", "Reply", () => this.actions.reply(message)),
      mine ? iconButton("edit", "Edit", () => this.list.edit(message)) : null,
      may
        ? iconButton("trash", "Delete", (event) => this.actions.remove(message, event.shiftKey), {
            class: "icon-button danger",
          })
        : null,
    );
  }

  editor(message) {
    const stop = () => {
      this.list.editing = null;
      this.list.render();
      $("input").focus();
    };
    const save = async () => {
      const text = box.value.trim();
      stop();
      if (text !== message.content) await this.actions.edit(message, text);
    };
    const box = h("textarea", {
      rows: 1,
      maxlength: 2000,
      "aria-label": "Edit the message",
      oninput: () => fit(box),
      onkeydown: (event) => {
        if (event.key === "Escape") stop();
        else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) save();
        else return;
        event.preventDefault();
        event.stopPropagation();
      },
    });
    box.value = message.content;
    return h(
      "div",
      { class: "editor" },
      box,
      h(
        "p",
        {},
        "Escape to ",
        h("button", { type: "button", class: "link", onclick: stop }, "cancel"),
        " • Enter to ",
        h("button", { type: "button", class: "link", onclick: save }, "save"),
      ),
    );
  }
}

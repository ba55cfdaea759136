// Where a person writes: text, replies, files, mentions, and the way into slash commands.

import { $, avatar, displayName, fit, h, icon, iconButton, toast } from "./dom.js";
import { CommandForm, flatten, matching } from "./slash.js";
import { DIRECT, isArchived, isThread } from "./store.js";
import { Suggest } from "./suggest.js";

const MAX_FILES = 10;
const TYPING_MS = 8000;

export class Composer {
  /**
   * `actions` has send(text, replyTo, files), command(entry, values), complete(entry, values, focused),
   * typing(), learnCommands(), editLast() and escape().
   */
  constructor(store, actions) {
    Object.assign(this, { store, actions });
    this.input = $("input");
    this.suggest = new Suggest();
    this.form = new CommandForm($("command"), {
      store,
      suggest: this.suggest,
      complete: actions.complete,
      cancel: () => this.closeCommand(),
      submit: (entry, values) => {
        this.closeCommand();
        actions.command(entry, values);
      },
    });
    this.drafts = new Map();
    this.replyTo = null;
    this.files = [];
    this.typedAt = 0;
    $("send").append(icon("send"));
    $("attach").append(icon("plus", 24));
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("paste", (event) => this.addFiles(event.clipboardData?.files, event));
    this.input.addEventListener("blur", () =>
      setTimeout(() => {
        if (this.suggest.anchor === this.input && document.activeElement !== this.input) this.suggest.hide();
      }, 0),
    );
    $("file-input").addEventListener("change", (event) => {
      this.addFiles(event.target.files);
      event.target.value = "";
    });
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.form.open) this.form.send();
      else this.send();
    });
    const main = $("main");
    main.addEventListener("dragover", (event) => event.preventDefault());
    main.addEventListener("drop", (event) => this.addFiles(event.dataTransfer?.files, event));
  }

  /** Turns to another channel: its draft, its name, whether one may write there. */
  show(channel) {
    if (this.channelId) this.drafts.set(this.channelId, this.input.value);
    this.channelId = channel.id;
    if (this.form.open) this.form.stop();
    this.suggest.hide();
    this.setReply(null);
    this.files = [];
    this.drawFiles();
    this.input.value = this.drafts.get(channel.id) ?? "";
    this.refresh(channel);
    this.closeCommand(false);
    fit(this.input);
  }

  refresh(channel) {
    const locked = Boolean(channel.thread_metadata?.locked) && !this.store.me.moderator;
    const name = `${channel.type === DIRECT ? "@" : isThread(channel) ? "" : "#"}${channel.name}`;
    this.input.disabled = locked;
    $("composer").classList.toggle("locked", locked);
    this.input.placeholder = locked
      ? "This thread is locked"
      : isArchived(channel)
        ? `Message ${name} (archived)`
        : `Message ${name}`;
    this.input.setAttribute("aria-label", `Message ${name}`);
  }

  focus() {
    if (matchMedia("(hover: hover)").matches) this.input.focus({ preventScroll: true });
  }

  setReply(message) {
    this.replyTo = message;
    const bar = $("reply-bar");
    bar.hidden = !message;
    bar.replaceChildren();
    if (!message) return;
    bar.append(
      h("span", {}, "Replying to ", h("strong", {}, displayName(this.store.author(message.author)))),
      iconButton("close", "Stop replying", () => {
        this.setReply(null);
        this.input.focus();
      }),
    );
    this.input.focus();
  }

  addFiles(list, event) {
    const files = [...(list ?? [])];
    if (!files.length) return;
    event?.preventDefault();
    this.files = [...this.files, ...files].slice(0, MAX_FILES);
    this.drawFiles();
    this.input.focus();
  }

  drawFiles() {
    $("files").hidden = !this.files.length;
    $("files").replaceChildren(
      ...this.files.map((file) =>
        h(
          "span",
          { class: "chip" },
          icon("file", 16),
          file.name,
          iconButton("close", `Remove ${file.name}`, () => {
            this.files = this.files.filter((f) => f !== file);
            this.drawFiles();
          }),
        ),
      ),
    );
  }

  commands() {
    return flatten(this.store.commands, this.store.me.moderator);
  }

  typed() {
    fit(this.input);
    const text = this.input.value;
    if (text === "/") this.actions.learnCommands();
    if (text && !text.startsWith("/") && Date.now() - this.typedAt > TYPING_MS) {
      this.typedAt = Date.now();
      this.actions.typing();
    }
    const caret = this.input.selectionStart;
    if (text.startsWith("/") && !text.includes("\n")) {
      const entries = this.commands();
      const typed = text.slice(1);
      const exact = entries.find((e) => typed.toLowerCase().startsWith(`${e.path} `));
      if (exact) {
        this.openCommand(exact, typed.slice(exact.path.length + 1));
        return;
      }
      const items = matching(entries, typed)
        .slice(0, 40)
        .map((entry) => this.commandItem(entry));
      this.suggest.show(items, {
        title: "Commands",
        anchor: this.input,
        pick: (item) => this.openCommand(item.value),
      });
      return;
    }
    const mention = /(?:^|\s)([@#])([\p{L}\p{N}_.-]*)$/u.exec(text.slice(0, caret));
    if (mention) this.offerMention(mention[1], mention[2].toLowerCase(), caret);
    else this.suggest.hide();
  }

  /** Redraws the list of commands while one is being typed. */
  offerAgain() {
    if (this.input.value.startsWith("/") && !this.form.open && document.activeElement === this.input)
      this.typed();
  }

  commandItem(entry) {
    const bot = this.store.bot(entry.command.application_id);
    const options = entry.options.map((o) => (o.required ? o.name : `[${o.name}]`)).join(" ");
    return {
      label: `/${entry.path}`,
      detail: options,
      description: entry.description,
      value: entry,
      mark: bot ? avatar(bot, 28) : null,
      source: bot ? displayName(bot) : "",
    };
  }

  offerMention(sign, typed, caret) {
    const people =
      sign === "@"
        ? [...this.store.users.values()].map((u) => ({
            label: displayName(u),
            detail: u.username,
            value: `<@${u.id}>`,
            mark: avatar(u, 24),
          }))
        : [...this.store.channels.values()]
            .filter((c) => c.type !== 4 && c.type !== DIRECT && !isArchived(c))
            .map((c) => ({ label: `#${c.name}`, value: `<#${c.id}>` }));
    const first = (p) => (p.label.toLowerCase().replace("#", "").startsWith(typed) ? 0 : 1);
    const fits = people
      .filter((p) => p.label.toLowerCase().includes(typed) || p.detail?.toLowerCase().includes(typed))
      .sort((a, b) => first(a) - first(b))
      .slice(0, 8);
    this.suggest.show(fits, {
      title: sign === "@" ? "Members" : "Channels",
      anchor: this.input,
      pick: (item) => {
        const before = this.input.value.slice(0, caret - typed.length - 1);
        this.input.value = `${before}${item.value} ${this.input.value.slice(caret)}`;
        const at = before.length + item.value.length + 1;
        this.input.setSelectionRange(at, at);
        this.input.focus();
        fit(this.input);
      },
    });
  }

  /** Writes a mention of a person at the caret. */
  mention(user) {
    const { selectionStart: at, value } = this.input;
    this.input.value = `${value.slice(0, at)}<@${user.id}> ${value.slice(at)}`;
    this.input.focus();
    fit(this.input);
  }

  openCommand(entry, rest = "") {
    this.suggest.hide();
    this.input.value = "";
    this.input.hidden = true;
    $("attach").hidden = true;
    this.form.start(entry, rest);
  }

  /** Opens the form of the command written as `path`, for a clicked `</path:id>`. */
  openPath(path) {
    const entry = this.commands().find((e) => e.path === path);
    if (entry) this.openCommand(entry);
    else toast(`There is no command /${path} for you here.`);
  }

  closeCommand(focus = true) {
    if (this.form.open) this.form.stop();
    this.input.hidden = false;
    $("attach").hidden = false;
    if (focus) this.input.focus();
  }

  key(event) {
    if (event.isComposing || this.suggest.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === "ArrowUp" && !this.input.value && this.actions.editLast()) {
      event.preventDefault();
    } else if (event.key === "Escape") {
      if (this.replyTo) this.setReply(null);
      else this.actions.escape();
    }
  }

  send() {
    const text = this.input.value.trim();
    if ((!text && !this.files.length) || this.input.disabled) return;
    const { replyTo, files } = this;
    this.typedAt = 0;
    this.input.value = "";
    this.files = [];
    this.drafts.delete(this.channelId);
    this.setReply(null);
    this.drawFiles();
    this.suggest.hide();
    fit(this.input);
    this.actions.send(this.withMentions(text), replyTo, files);
  }

  /** With each name that was typed in full after "@" as a mention, as Discord's client does. */
  withMentions(text) {
    const users = [...this.store.users.values()];
    return text.replace(/(?<=^|\s)@([\p{L}\p{N}_-]+(?:\.[\p{L}\p{N}_-]+)*)/gu, (typed, name) => {
      const is = (own) => own.toLowerCase() === name.toLowerCase();
      const user = users.find((u) => is(u.username) || is(displayName(u)));
      return user ? `<@${user.id}>` : typed;
    });
  }

  /** Puts back what could not be sent, unless something new has been written meanwhile. */
  restore(text, files) {
    if (!this.input.value) this.input.value = text;
    if (!this.files.length) this.files = files;
    this.drawFiles();
    fit(this.input);
  }
}

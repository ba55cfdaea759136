// What this person has set in motion: slash commands, presses and forms on their way to a bot and back.

import { displayName } from "./dom.js";
import { FLAG, idNow, idTime, isThread, nonce } from "./store.js";

const PATIENCE = 16000;
const FOLLOW = 10000;
const FOLLOW_LINK = 30000;

export class Interactions {
  constructor(store, { api, open, report }) {
    Object.assign(this, { store, api, open, report });
    this.waiting = new Map();
    this.acted = null;
  }

  busy(message, key) {
    return [...this.waiting.values()].some((w) => w.message === message && w.key === key);
  }

  busyKeys(message) {
    return [...this.waiting.values()]
      .filter((w) => w.message === message)
      .map((w) => w.key)
      .join(" ");
  }

  /** A change of channel by hand: from here on, nothing pulls the person away. */
  forget() {
    this.acted = null;
  }

  async post(kind, channelId, details, wait) {
    const id = nonce();
    this.acted = { time: Date.now(), channelId };
    this.waiting.set(id, { ...wait, channelId, timer: setTimeout(() => this.failed(id), PATIENCE) });
    this.store.changed("messages");
    try {
      return await this.api().interact({ kind, channel_id: channelId, nonce: id, ...details });
    } catch (error) {
      this.failed(id, error.message);
      throw error;
    }
  }

  async command(channelId, entry, options) {
    const { store } = this;
    const bot = store.bot(entry.command.application_id) ?? store.me;
    const row = idNow();
    store.addMessage(
      {
        id: row,
        channel_id: channelId,
        author: bot,
        content: `-# Sending the command…`,
        pending: true,
        flags: 0,
        type: 20,
        timestamp: new Date().toISOString(),
        interaction: { user: store.me, name: entry.path },
      },
      true,
    );
    await this.post(
      "command",
      channelId,
      { command: entry.path, options, application_id: entry.command.application_id },
      { row, bot, name: entry.path },
    ).catch(() => {});
  }

  async press(message, component, values) {
    const details = {
      message_id: message.id,
      custom_id: component.custom_id,
      component_type: component.type,
      ...(values ? { values } : {}),
    };
    this.store.failures.delete(message.id);
    await this.post("component", message.channel_id, details, {
      message: message.id,
      key: component.custom_id,
    }).catch(() => {});
  }

  submit(modal, channelId, fields) {
    return this.post(
      "modal",
      channelId,
      { interaction_id: modal.interaction_id, custom_id: modal.custom_id, fields },
      { form: true },
    );
  }

  async complete(channelId, entry, options, focused) {
    const answer = await this.api().interact({
      kind: "autocomplete",
      channel_id: channelId,
      nonce: nonce(),
      command: entry.path,
      options,
      focused,
      application_id: entry.command.application_id,
    });
    return answer?.choices ?? [];
  }

  settle(id) {
    const held = this.waiting.get(String(id));
    if (!held) return null;
    clearTimeout(held.timer);
    this.waiting.delete(String(id));
    if (held.row) this.store.removeMessage(held.channelId, held.row);
    this.store.changed("messages");
    return held;
  }

  failed(id, reason) {
    const held = this.settle(id);
    if (!held) return;
    if (held.message) this.store.fail(held.message, reason || "This interaction failed. Please try again.");
    else if (held.row) {
      this.store.addMessage(
        {
          id: idNow(),
          channel_id: held.channelId,
          author: held.bot,
          content: reason || "The application did not respond.",
          flags: FLAG.EPHEMERAL,
          type: 20,
          local: true,
          timestamp: new Date().toISOString(),
          interaction: { user: this.store.me, name: held.name },
        },
        true,
      );
    } else this.report(reason || "The bot did not accept the form. Please try again.");
  }

  /** Follows a person's own game: to the thread that a bot has just made for them. */
  follow(event, data) {
    const { store, acted } = this;
    if (!acted) return;
    const since = Date.now() - acted.time;
    const fresh = (thread) =>
      isThread(thread) && thread.id !== store.current && idTime(thread.id) > acted.time - 2000;
    if ((event === "THREAD_CREATE" || event === "THREAD_MEMBERS_UPDATE") && since < FOLLOW) {
      const thread = store.channel(data.id);
      if (fresh(thread) && store.mine(thread)) this.open(thread.id);
    } else if (event === "MESSAGE_CREATE" || event === "MESSAGE_UPDATE") {
      const message = store.history(data.channel_id).messages.get(data.id);
      if (!message) return;
      const here = store.channel(message.channel_id);
      if (since < FOLLOW && fresh(here) && store.mentionsMe(message)) {
        this.open(here.id);
        return;
      }
      const asked =
        (message.interaction_metadata?.user ?? message.interaction?.user)?.id ??
        message.interaction_metadata?.user_id;
      if (asked !== store.me.id || since > FOLLOW_LINK) return;
      for (const [, id] of JSON.stringify([message.content, message.embeds, message.components]).matchAll(
        /<#(\d+)>/g,
      )) {
        if (fresh(store.channel(id))) {
          this.open(id);
          return;
        }
      }
    }
  }

  botName(id) {
    const bot = this.store.bot(id);
    return bot ? displayName(bot) : null;
  }
}

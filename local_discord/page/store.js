// What this person's client knows: channels, members, messages, what is unread. Draws nothing.

import { recall, remember } from "./memory.js";

export const FLAG = { SUPPRESS_EMBEDS: 4, EPHEMERAL: 64, LOADING: 128, COMPONENTS_V2: 32768 };
const THREAD_TYPES = new Set([10, 11, 12]);
export const DIRECT = 1;
// "… started a thread": the thread itself is unread then, its channel need not be.
const THREAD_STARTED = 18;
// Where reading stands in a channel that was never opened, and in one that was seen while it was empty.
export const NEVER = "0";
const SEEN_EMPTY = "1";
const KEPT = 2000;
const KEPT_UNSEEN = 200;
const EPOCH = 1420070400000;

/** Orders two snowflake ids: negative when `a` is older. */
export const compareIds = (a, b) => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
export const isThread = (channel) => THREAD_TYPES.has(channel?.type);
export const channelIcon = (channel) =>
  isThread(channel) ? "thread" : channel?.type === DIRECT ? "members" : "hash";
export const isArchived = (channel) => Boolean(channel?.thread_metadata?.archived);
export const idTime = (id) => Number((BigInt(id) >> 22n) + BigInt(EPOCH));
export const idNow = () => String(BigInt(Date.now() - EPOCH) << 22n);

let counter = 0;
export const nonce = () => `${Date.now()}${String((counter += 1)).padStart(4, "0")}`;

export class Store {
  constructor() {
    this.listeners = new Map();
    this.dirty = new Set();
    this.clear();
  }

  clear() {
    this.me = null;
    this.guild = null;
    this.guilds = [];
    this.commands = [];
    this.channels = new Map();
    this.users = new Map();
    this.histories = new Map();
    this.typing = new Map();
    this.unread = new Map();
    this.failures = new Map();
    this.dismissed = new Set();
    this.current = null;
  }

  /** Calls `listener` once per burst of changes on any of `topics`. */
  on(topics, listener) {
    for (const topic of topics) this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), listener]);
  }

  changed(...topics) {
    if (!this.dirty.size) setTimeout(() => this.flush(), 0);
    for (const topic of topics) this.dirty.add(topic);
  }

  flush() {
    const due = new Set([...this.dirty].flatMap((topic) => this.listeners.get(topic) ?? []));
    this.dirty.clear();
    for (const listener of due) listener();
  }

  load(state) {
    this.me = state.me;
    this.guild = state.guild;
    this.guilds = state.guilds;
    this.commands = state.commands ?? [];
    this.users = new Map(state.users.map((user) => [user.id, user]));
    this.channels = new Map(state.channels.map((channel) => [channel.id, this.named(channel)]));
    for (const history of this.histories.values()) history.stale = true;
    this.readKey = `read.${this.me.id}.${this.guild.id}`;
    const saved = recall(this.readKey);
    this.read = new Map(Object.entries(saved ?? {}).filter(([id]) => this.channels.has(id)));
    for (const channel of this.channels.values()) {
      const last = channel.last_message_id;
      if (!this.read.has(channel.id)) this.read.set(channel.id, saved ? NEVER : (last ?? SEEN_EMPTY));
      if (last && compareIds(last, this.read.get(channel.id)) > 0 && !this.unread.has(channel.id)) {
        this.unread.set(channel.id, { count: 0, mentions: 0 });
      }
    }
    this.saveRead();
    this.changed("channels", "members", "messages", "commands", "unread");
  }

  saveRead() {
    remember(this.readKey, Object.fromEntries(this.read));
  }

  /** A direct-message channel has no name of its own: it is called after the other person. */
  named(channel) {
    if (channel.type !== DIRECT) return channel;
    const other = (channel.recipients ?? []).find((user) => user.id !== this.me.id) ?? this.bot();
    return { ...channel, name: other?.global_name || other?.username || "Direct messages" };
  }

  /** The bot with this id, else the first one there is. */
  bot(id) {
    const known = this.users?.get(id);
    return known?.bot ? known : [...(this.users?.values() ?? [])].find((user) => user.bot);
  }

  channel(id) {
    return this.channels.get(id);
  }

  /** What a channel is called in a sentence: `#general`, or a thread's or a person's name. */
  label(id) {
    const channel = this.channels.get(id);
    if (!channel) return "#unknown";
    return `${isThread(channel) || channel.type === DIRECT ? "" : "#"}${channel.name}`;
  }

  user(id) {
    return this.users.get(id);
  }

  /** The member list's entry of a message's author, which carries the colour; else what the message says. */
  author(user) {
    return this.users.get(user?.id) ?? user;
  }

  history(id) {
    if (!this.histories.has(id))
      this.histories.set(id, {
        messages: new Map(),
        loaded: false,
        stale: true,
        complete: false,
        changed: null,
      });
    return this.histories.get(id);
  }

  messages(id) {
    const all = [...this.history(id).messages.values()];
    return all.filter((m) => !this.dismissed.has(m.id)).sort((a, b) => compareIds(a.id, b.id));
  }

  /** From here to `setHistory`, what live events change is remembered: it is younger than the page that comes. */
  beginHistory(id) {
    this.history(id).changed ??= new Set();
  }

  /**
   * Takes a page of history. Messages that only this client holds (ephemeral, pending) are kept, and so is
   * what came, changed or went since `beginHistory`.
   */
  setHistory(id, page, { older = false } = {}) {
    const history = this.history(id);
    const changed = history.changed ?? new Set();
    if (!older) {
      const kept = [...history.messages.values()].filter(
        (m) => m.flags & FLAG.EPHEMERAL || m.pending || changed.has(m.id),
      );
      history.messages = new Map(kept.map((m) => [m.id, m]));
      history.loaded = true;
      history.stale = false;
    }
    history.complete = page.length < 100;
    history.changed = null;
    for (const message of page) if (!changed.has(message.id)) history.messages.set(message.id, message);
    this.changed("messages");
  }

  mentionsMe(message) {
    const me = this.me.id;
    if (message.author?.id === me) return false;
    return (
      Boolean(message.mention_everyone) ||
      (message.mentions ?? []).some((user) => user.id === me) ||
      new RegExp(`<@!?${me}>`).test(message.content ?? "")
    );
  }

  /** Whether a thread is this person's: member, owner, or called by name. */
  mine(channel) {
    if (!isThread(channel)) return false;
    const me = this.me.id;
    const members = [
      ...(channel.members ?? []).map((m) => m.user_id ?? m.id),
      ...(channel.member_ids_preview ?? []),
      ...(channel.member_ids ?? []),
    ];
    if (channel.owner_id === me || channel.joined || members.includes(me)) return true;
    if (channel.member && (channel.member.user_id ?? me) === me) return true;
    const words = (channel.name ?? "").toLowerCase().split(/[^\p{L}\p{N}_.-]+/u);
    return words.includes(this.me.username.toLowerCase());
  }

  /** Unread messages worth counting in the tab's title: mentions, own threads, ordinary channels. */
  unreadTotal() {
    let total = 0;
    for (const [id, entry] of this.unread) {
      const channel = this.channels.get(id);
      if (!channel) continue;
      total += isThread(channel) && !this.mine(channel) ? entry.mentions : entry.count;
    }
    return total;
  }

  markRead(id) {
    const last =
      this.messages(id)
        .filter((m) => !m.pending)
        .at(-1)?.id ?? this.channels.get(id)?.last_message_id;
    if (!last || (this.read.get(id) === last && !this.unread.has(id))) return;
    this.read.set(id, last);
    this.unread.delete(id);
    this.saveRead();
    this.changed("unread");
  }

  addMessage(message, seen) {
    const history = this.history(message.channel_id);
    for (const [key, held] of history.messages) {
      if (held.pending && message.nonce && held.nonce === String(message.nonce)) history.messages.delete(key);
    }
    const known = history.messages.has(message.id);
    history.messages.set(message.id, message);
    history.changed?.add(message.id);
    this.trim(message.channel_id);
    if (message.author && !this.users.has(message.author.id) && !message.webhook_id) {
      this.users.set(message.author.id, message.author);
      this.changed("members");
    }
    const channel = this.channels.get(message.channel_id);
    if (channel && !message.pending && !(message.flags & FLAG.EPHEMERAL))
      channel.last_message_id = message.id;
    this.typing.get(message.channel_id)?.delete(message.author?.id);
    const silent = message.pending || message.type === THREAD_STARTED || message.author?.id === this.me.id;
    if (!known && !silent && !seen) {
      const entry = this.unread.get(message.channel_id) ?? { count: 0, mentions: 0 };
      const mention = this.mentionsMe(message) ? 1 : 0;
      this.unread.set(message.channel_id, { count: entry.count + 1, mentions: entry.mentions + mention });
    }
    this.changed("messages", "typing", "unread");
  }

  /** Lets the oldest message of a long history go; it can be asked for again. */
  trim(channelId) {
    const history = this.history(channelId);
    if (history.messages.size <= (channelId === this.current ? KEPT : KEPT_UNSEEN)) return;
    history.messages.delete([...history.messages.keys()].sort(compareIds)[0]);
    history.complete = false;
  }

  updateMessage(change) {
    const history = this.history(change.channel_id);
    const old = history.messages.get(change.id);
    if (!old && !change.author) return;
    history.messages.set(change.id, { ...old, ...change });
    history.changed?.add(change.id);
    this.failures.delete(change.id);
    this.changed("messages");
  }

  removeMessage(channelId, id) {
    const history = this.histories.get(channelId);
    history?.messages.delete(id);
    history?.changed?.add(id);
    this.changed("messages");
  }

  /** Counts a reaction up (`by` 1) or down (`by` -1). */
  react({ channel_id: channelId, message_id: id, emoji, user_id: userId }, by) {
    const message = this.histories.get(channelId)?.messages.get(id);
    if (!message) return;
    const same = (r) => r.emoji?.name === emoji.name && (r.emoji?.id ?? null) === (emoji.id ?? null);
    const held = (message.reactions ?? []).find(same) ?? { emoji, count: 0, me: false };
    const now = { ...held, count: held.count + by, me: userId === this.me.id ? by > 0 : held.me };
    const rest = (message.reactions ?? []).filter((r) => !same(r));
    this.updateMessage({ id, channel_id: channelId, reactions: now.count > 0 ? [...rest, now] : rest });
  }

  dismiss(id) {
    this.dismissed.add(id);
    this.changed("messages");
  }

  fail(id, text) {
    this.failures.set(id, text);
    this.changed("messages");
  }

  putChannel(channel) {
    this.channels.set(channel.id, this.named({ ...this.channels.get(channel.id), ...channel }));
    if (!this.read.has(channel.id)) this.read.set(channel.id, NEVER);
    this.changed("channels");
  }

  removeChannel(id) {
    this.channels.delete(id);
    this.unread.delete(id);
    this.histories.delete(id);
    this.changed("channels", "unread");
  }

  putUser(user) {
    this.users.set(user.id, { ...this.users.get(user.id), ...user });
    this.changed("members");
  }

  startTyping(channelId, userId) {
    if (userId === this.me.id) return;
    if (!this.typing.has(channelId)) this.typing.set(channelId, new Map());
    this.typing.get(channelId).set(userId, Date.now() + 9000);
    this.changed("typing");
  }

  typists(channelId) {
    const people = this.typing.get(channelId) ?? new Map();
    for (const [id, until] of people) if (until < Date.now()) people.delete(id);
    return [...people.keys()].map((id) => this.users.get(id)).filter(Boolean);
  }

  /** Takes one live event; returns true when it was one that only changes what is known. */
  apply(name, data, seen) {
    switch (name) {
      case "MESSAGE_CREATE":
        this.addMessage(data, seen);
        return true;
      case "MESSAGE_UPDATE":
        this.updateMessage(data);
        return true;
      case "MESSAGE_DELETE":
        this.removeMessage(data.channel_id, data.id);
        return true;
      case "MESSAGE_DELETE_BULK":
        for (const id of data.ids) this.removeMessage(data.channel_id, id);
        return true;
      case "MESSAGE_REACTION_ADD":
        this.react(data, 1);
        return true;
      case "MESSAGE_REACTION_REMOVE":
        this.react(data, -1);
        return true;
      case "THREAD_CREATE":
      case "THREAD_UPDATE":
      case "CHANNEL_CREATE":
      case "CHANNEL_UPDATE":
        this.putChannel(data);
        return true;
      case "THREAD_DELETE":
      case "CHANNEL_DELETE":
        this.removeChannel(data.id);
        return true;
      case "THREAD_MEMBERS_UPDATE":
        if (this.channels.has(data.id) && (data.added_members ?? []).some((m) => m.user_id === this.me.id))
          this.putChannel({ id: data.id, joined: true });
        return true;
      case "MEMBER_JOIN":
      case "GUILD_MEMBER_ADD":
        this.putUser(data.user ?? data);
        return true;
      case "TYPING_START":
        this.startTyping(data.channel_id, data.user_id);
        return true;
      default:
        return false;
    }
  }
}

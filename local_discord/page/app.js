// Starts the page and joins its parts: who is signed in, which channel is open, what happens to live events.

import { Api, ApiError, Socket } from "./api.js";
import { Composer } from "./composer.js";
import { $, displayName, h, icon, toast } from "./dom.js";
import { banner, drawer, frame, isWide } from "./frame.js";
import { Interactions } from "./live.js";
import { refreshTimes } from "./markdown.js";
import { recall, remember } from "./memory.js";
import { MessageList } from "./messages.js";
import { confirmDialog, openModal } from "./modal.js";
import { Sidebar } from "./sidebar.js";
import { askName, savedSession, saveSession } from "./signin.js";
import { channelIcon, idNow, isThread, nonce, Store } from "./store.js";

/** The server that was looked at last, as this browser remembers it. */
const GUILD = "guild";
const store = new Store();
let api = new Api();
let socket = null;
let starting = false;

const live = new Interactions(store, { api: () => api, open: (id) => navigate(id), report: toast });

const ctx = {
  store,
  user: (id) =>
    h(
      "button",
      {
        type: "button",
        class: `mention${id === store.me?.id ? " me" : ""}`,
        data: { user: id },
        onclick: () => store.user(id) && composer.mention(store.user(id)),
      },
      `@${displayName(store.user(id))}`,
    ),
  channel: (id) => h("a", { class: "mention", href: `#${id}`, data: { channel: id } }, store.label(id)),
  role: (id) =>
    h("span", { class: "mention" }, `@${store.guild?.roles?.find((r) => r.id === id)?.name ?? "role"}`),
  command: (path) =>
    h("button", { type: "button", class: "mention", onclick: () => composer.openPath(path) }, `/${path}`),
  press: (message, component, values) => live.press(message, component, values),
  busy: (message, key) => live.busy(message, key),
  busyKeys: (message) => live.busyKeys(message),
};

const list = new MessageList(store, ctx, {
  open: (id) => navigate(id),
  reply: (message) => composer.setReply(message),
  older: () => loadOlder(),
  edit: (message, text) =>
    text
      ? attempt("Could not save the change", () =>
          api.edit(message.channel_id, message.id, text).then((m) => m?.id && store.updateMessage(m)),
        )
      : removeMessage(message),
  remove: (message, now) => removeMessage(message, now),
  react: (message, emoji) => {
    const name = emoji.id ? `${emoji.name}:${emoji.id}` : emoji.name;
    attempt("Could not react", () => api.react(message.channel_id, message.id, name));
  },
  dismiss: (message) => {
    store.dismiss(message.id);
    if (!message.local) api.remove(message.channel_id, message.id).catch(() => {});
  },
});

const composer = new Composer(store, {
  send: (text, replyTo, files) => sendMessage(text, replyTo, files),
  command: (entry, options) => live.command(store.current, entry, options),
  complete: (entry, options, focused) => live.complete(store.current, entry, options, focused),
  editLast: () => list.editLast(),
  typing: () => api.typing(store.current).catch(() => {}),
  learnCommands: () => learnCommands(),
  escape: () => list.toBottom(),
});

const sidebar = new Sidebar(store, {
  signOut: () => signOut(),
  go: (guild) => goTo(guild),
  close: () => drawer(null),
  mention: (user) => {
    if (!isWide()) drawer(null);
    composer.mention(user);
  },
});

/** Runs a call to the service; says what failed in the corner. Resolves to its result, or null. */
async function attempt(what, call) {
  try {
    return await call();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) await start({ expired: true });
    else toast(`${what}: ${error.message}`);
    return null;
  }
}

async function sendMessage(text, replyTo, files) {
  const channelId = store.current;
  const id = nonce();
  const row = idNow();
  store.addMessage(
    {
      id: row,
      nonce: id,
      channel_id: channelId,
      author: store.me,
      content: text || `-# Sending ${files.length} file${files.length === 1 ? "" : "s"}…`,
      pending: true,
      flags: 0,
      type: 0,
      timestamp: new Date().toISOString(),
      ...(replyTo ? { message_reference: { message_id: replyTo.id }, referenced_message: replyTo } : {}),
    },
    true,
  );
  list.pinned = true;
  const sent = await attempt("Could not send the message", () =>
    api.send(channelId, { content: text, nonce: id, ...(replyTo ? { reply_to: replyTo.id } : {}) }, files),
  );
  store.removeMessage(channelId, row);
  if (sent?.id && !store.history(channelId).messages.has(sent.id)) store.addMessage(sent, true);
  if (!sent && channelId === store.current) composer.restore(text, files);
}

async function removeMessage(message, now = false) {
  if (
    !now &&
    !(await confirmDialog("Delete message", "Do you want to delete this message for everyone?", "Delete"))
  )
    return;
  await attempt("Could not delete the message", async () => {
    await api.remove(message.channel_id, message.id);
    store.removeMessage(message.channel_id, message.id);
  });
}

function navigate(id) {
  drawer(null);
  if (location.hash === `#${id}`) openChannel(id);
  else location.hash = id;
}

function firstChannel() {
  const saved = store.channel(recall(`channel.${store.me.id}`));
  const texts = [...store.channels.values()]
    .filter((c) => c.type === 0)
    .sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
  return saved && !isThread(saved) ? saved : texts[0];
}

async function openChannel(id) {
  const channel = store.channel(id) ?? firstChannel();
  if (!channel) return;
  if (store.current !== channel.id) live.forget();
  store.current = channel.id;
  if (!isThread(channel)) remember(`channel.${store.me.id}`, channel.id);
  drawHeading();
  sidebar.drawChannels();
  list.show(channel.id);
  composer.show(channel);
  composer.focus();
  store.changed("typing");
  $("channels").querySelector(".current")?.scrollIntoView({ block: "nearest" });
  await loadHistory(channel.id);
  drawTitle();
}

async function loadHistory(id) {
  const history = store.history(id);
  if (!history.stale || history.changed) return;
  store.beginHistory(id);
  const page = await attempt("Could not load the messages", () => api.messages(id));
  if (page) store.setHistory(id, page);
  else history.changed = null;
}

let loadingOlder = false;
async function loadOlder() {
  const id = store.current;
  const history = id && store.history(id);
  if (!history?.loaded || history.complete || loadingOlder) return;
  loadingOlder = true;
  const scroller = $("scroller");
  const fromBottom = scroller.scrollHeight - scroller.scrollTop;
  const page = await attempt("Could not load older messages", () =>
    api.messages(id, store.messages(id)[0]?.id),
  );
  const fresh = (page ?? []).filter((m) => !history.messages.has(m.id));
  store.setHistory(id, fresh, { older: true });
  store.flush();
  scroller.scrollTop = scroller.scrollHeight - fromBottom;
  loadingOlder = false;
}

function drawHeading() {
  const channel = store.channel(store.current);
  if (!channel) return;
  const parent = isThread(channel) ? store.channel(channel.parent_id) : null;
  $("heading-text").replaceChildren(
    ...[
      parent ? h("a", { class: "crumb", href: `#${parent.id}` }, icon("hash", 18), parent.name) : null,
      parent ? h("span", { class: "crumb-mark", "aria-hidden": "true" }, "›") : null,
      h("h2", {}, icon(channelIcon(channel), 20), h("span", {}, channel.name)),
      channel.topic && !parent ? h("p", { class: "topic", title: channel.topic }, channel.topic) : null,
      channel.thread_metadata?.archived ? h("span", { class: "tag" }, "Archived") : null,
    ].filter(Boolean),
  );
  $("log").setAttribute("aria-label", `Messages in ${channel.name}`);
  if (composer.channelId === channel.id) composer.refresh(channel);
}

function drawTitle() {
  const count = store.unreadTotal();
  const channel = store.channel(store.current);
  document.title = `${count ? `(${count}) ` : ""}${channel ? `${store.label(channel.id)} – ` : ""}${store.guild?.name ?? ""}`;
}

function drawTyping() {
  const names = store.me && store.current ? store.typists(store.current).map(displayName) : [];
  const who = names.length > 3 ? ["Several people"] : names;
  if ($("typing").dataset.who === who.join()) return;
  $("typing").dataset.who = who.join();
  const parts = who.flatMap((name, i) => [
    i === 0 ? "" : i === who.length - 1 ? " and " : ", ",
    h("strong", {}, name),
  ]);
  $("typing").replaceChildren(
    ...(who.length
      ? [
          h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")),
          h("span", {}, parts, names.length > 1 ? " are typing…" : " is typing…"),
        ]
      : []),
  );
}

/** Names in mentions that came before the channel or member they point to. */
function refreshMentions() {
  const say = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };
  for (const node of $("messages").querySelectorAll("[data-channel]")) {
    say(node, store.label(node.dataset.channel));
  }
  for (const node of $("messages").querySelectorAll("[data-user]")) {
    say(node, `@${displayName(store.user(node.dataset.user))}`);
  }
}

function onEvent(name, data) {
  if (name === "INTERACTION_ACK") live.settle(data.nonce);
  else if (name === "INTERACTION_FAILED") live.failed(data.nonce, data.reason ?? data.message);
  else if (name === "MODAL_OPEN") {
    if (data.nonce) live.settle(data.nonce);
    openModal(data, {
      store,
      ctx,
      from: live.botName(data.application_id),
      submit: (fields) => live.submit(data, data.channel_id ?? store.current, fields),
    });
  } else {
    store.apply(name, data, list.watching(data.channel_id));
    if (name === "MESSAGE_CREATE" && data.nonce && data.author?.id !== store.me.id) live.settle(data.nonce);
    if (name === "THREAD_DELETE" || name === "CHANNEL_DELETE") {
      if (data.id === store.current) navigate(data.parent_id ?? firstChannel()?.id);
    }
    live.follow(name, data);
    learnChannel(name, data);
  }
}

let commandsRead = 0;
/** A bot may have brought its commands after this page was loaded: they are read again when a slash is typed. */
async function learnCommands() {
  if (Date.now() - commandsRead < 5000) return;
  commandsRead = Date.now();
  const state = await api.state().catch(() => null);
  if (!state || JSON.stringify(state.commands) === JSON.stringify(store.commands)) return;
  store.commands = state.commands ?? [];
  for (const user of state.users) if (!store.user(user.id)) store.putUser(user);
  composer.offerAgain();
}

const asked = new Set();
/** A private thread that one is added to, or a first direct message, is told without the channel itself: ask for it. */
async function learnChannel(name, data) {
  const id = name === "THREAD_MEMBERS_UPDATE" ? data.id : name === "MESSAGE_CREATE" ? data.channel_id : null;
  if (!id || store.channel(id) || asked.has(id)) return;
  asked.add(id);
  const state = await attempt("Could not load the channel", () => api.state());
  if (!state) return;
  store.load(state);
  live.follow(name, data);
}

function connect() {
  socket?.close();
  socket = new Socket(api, {
    onEvent,
    onOpen: async (again) => {
      banner(null);
      if (again) await refresh();
    },
    onLost: (attempt) => {
      banner("The connection is lost. Trying again…", "Try now", () => socket?.retryNow());
      // A restarted service does not know the token; the person must sign in again.
      if (attempt % 2 === 0) api.state().catch((error) => error.status === 401 && start({ expired: true }));
    },
  });
}

/** Shows another server, and joins it first if need be; of the one that is shown, its first channel. */
async function goTo(guild) {
  if (guild.id === store.guild.id) {
    if (firstChannel()) navigate(firstChannel().id);
    return;
  }
  if (!guild.joined) {
    const done = await attempt(`Could not join ${guild.name}`, async () => {
      await api.enter(guild.id, store.me.moderator);
      return true;
    });
    if (!done) return;
  }
  remember(GUILD, guild.id);
  history.replaceState(null, "", location.pathname + location.search);
  await start();
}

/** After a gap: everything that may have changed meanwhile is read again. */
async function refresh() {
  const state = await attempt("Could not load the server", () => api.state());
  if (!state) return;
  store.load(state);
  if (store.current) await loadHistory(store.current);
}

function signOut() {
  saveSession(null);
  remember(GUILD, null);
  socket?.close();
  socket = null;
  location.hash = "";
  location.reload();
}

/** Signs in (with the saved token where it still holds), loads everything and opens the channel of the address. */
async function start({ expired = false } = {}) {
  if (starting) return;
  starting = true;
  try {
    await enter(expired);
  } finally {
    starting = false;
  }
}

async function enter(expired) {
  socket?.close();
  socket = null;
  let session = savedSession();
  if (expired && session) session = { ...session, token: null };
  if (!session?.token) {
    $("app").hidden = true;
    const service = await new Api().about().catch(() => null);
    if (service) document.title = service.name;
    const user = await askName((name, moderator) => new Api().signIn(name, moderator), session, service);
    session = { token: user.token, name: user.username, moderator: user.moderator };
    saveSession(session);
  }
  api = new Api(session.token, recall(GUILD));
  let state;
  try {
    state = await api.state();
  } catch (error) {
    if (error.status === 401) {
      await enter(true);
      return;
    }
    $("app").hidden = false;
    banner(`${error.message} Trying again…`);
    setTimeout(start, 3000);
    return;
  }
  banner(null);
  store.clear();
  store.load(state);
  $("app").hidden = false;
  sidebar.drawGuild();
  connect();
  await openChannel(location.hash.slice(1));
}

function prepare() {
  frame();
  store.on(["messages"], () => list.render());
  store.on(["channels", "unread"], () => {
    sidebar.drawChannels();
    drawTitle();
    list.drawJump();
  });
  store.on(["channels"], drawHeading);
  store.on(["members"], () => sidebar.drawMembers());
  store.on(["channels", "members", "messages"], refreshMentions);
  store.on(["typing"], drawTyping);
  setInterval(drawTyping, 2000);
  setInterval(() => refreshTimes(), 15000);
  addEventListener("hashchange", () => store.me && openChannel(location.hash.slice(1)));
  document.addEventListener("visibilitychange", () => {
    if (!store.me || !store.current) return;
    if (document.visibilityState === "hidden") list.lookAway();
    else list.lookBack();
  });
}

prepare();
start();

// The channel list with its threads, the member list and the panel of the own account.

import { $, avatar, badge, displayName, h, icon, iconButton, place } from "./dom.js";
import { compareIds, DIRECT, isArchived, isThread } from "./store.js";

const SHOWN = 20;
const CATEGORY = 4;
const LISTED = new Set([0, 2, 5, 15]);

const youngest = (a, b) => compareIds(b.id, a.id);
const byPosition = (a, b) => (a.position ?? 0) - (b.position ?? 0) || compareIds(a.id, b.id);

export class Sidebar {
  /** `actions` has signOut(), mention(user), close() and go(guild). */
  constructor(store, actions) {
    Object.assign(this, { store, actions });
    this.archives = new Set();
    this.all = new Set();
    this.kept = new Map();
    this.drawn = new Set();
    $("channels").addEventListener("keydown", (event) => this.arrows(event));
  }

  drawGuild() {
    $("guild-name").replaceChildren(h("h1", {}, this.store.guild.name));
    $("guilds").replaceChildren(...this.store.guilds.map((guild) => this.guildButton(guild)));
    const { me } = this.store;
    $("account").replaceChildren(
      avatar(me, 32),
      h(
        "div",
        { class: "account-name" },
        h("strong", {}, displayName(me)),
        h("small", {}, me.moderator ? "Moderator" : "Member"),
      ),
      iconButton("leave", "Sign out", this.actions.signOut, { id: "sign-out" }),
    );
  }

  guildButton(guild) {
    const current = guild.id === this.store.guild.id;
    const label = guild.joined ? guild.name : `Join ${guild.name}`;
    const initials = guild.name.match(/(?<!\p{L})\p{L}|\d+/gu) ?? ["?"];
    return h(
      "button",
      {
        class: `guild${current ? "" : " other"}${guild.joined ? "" : " outside"}`,
        type: "button",
        title: label,
        "aria-label": label,
        ...(current ? { "aria-current": "true" } : {}),
        onclick: () => this.actions.go(guild),
      },
      current
        ? h("img", { src: "icon.svg", alt: "", width: 48, height: 48 })
        : h("span", { "aria-hidden": "true" }, initials.slice(0, 3).join("")),
    );
  }

  drawChannels() {
    const all = [...this.store.channels.values()];
    const threads = new Map();
    for (const thread of all.filter(isThread)) {
      threads.set(thread.parent_id, [...(threads.get(thread.parent_id) ?? []), thread]);
    }
    const top = all.filter((c) => LISTED.has(c.type)).sort(byPosition);
    const categories = all.filter((c) => c.type === CATEGORY).sort(byPosition);
    const direct = all.filter((c) => c.type === DIRECT).sort(youngest);
    const loose = top.filter((c) => !categories.some((k) => k.id === c.parent_id));
    const sections = [
      ["loose", "", loose],
      ...categories.map((k) => [k.id, k.name, top.filter((c) => c.parent_id === k.id)]),
      ["direct", "Direct messages", direct],
    ];
    place(
      $("channels"),
      sections.filter(([, , channels]) => channels.length).map((section) => this.section(section, threads)),
    );
    for (const key of this.kept.keys()) if (!this.drawn.has(key)) this.kept.delete(key);
    this.drawn.clear();
  }

  /** The element of a key: built once, then the same one, so that a redraw never takes it from under a click. */
  keep(key, build) {
    this.drawn.add(key);
    if (!this.kept.has(key)) this.kept.set(key, build());
    return this.kept.get(key);
  }

  section([key, name, channels], threads) {
    const box = this.keep(`section-${key}`, () => h("section", {}, h("h2", {}), h("ul")));
    const [heading, list] = box.children;
    heading.textContent = name;
    heading.hidden = !name;
    place(
      list,
      channels.map((channel) => this.branch(channel, threads.get(channel.id) ?? [])),
    );
    return box;
  }

  /** A channel with its threads: joined ones first, then the newest; archived ones behind a button. */
  branch(channel, threads) {
    const { current } = this.store;
    const rank = (t) => (this.store.mine(t) ? 0 : 1);
    const ordered = [...threads].sort((a, b) => rank(a) - rank(b) || youngest(a, b));
    const active = ordered.filter((t) => !isArchived(t) || t.id === current);
    const archived = ordered.filter((t) => isArchived(t) && t.id !== current);
    const open = this.archives.has(channel.id);
    const everything = this.all.has(channel.id);
    const shown = everything ? active : active.filter((t, i) => i < SHOWN || t.id === current);
    const hidden = active.length - shown.length;
    const rows = shown.map((thread) => this.item(thread));
    if (hidden || (everything && active.length > SHOWN)) {
      rows.push(this.fold(channel, this.all, "all", hidden ? `Show ${hidden} more` : "Show fewer"));
    }
    if (archived.length) {
      const text = `${open ? "Hide" : "Show"} archived (${archived.length})`;
      rows.push(this.fold(channel, this.archives, "archive", text));
      if (open) rows.push(...archived.map((thread) => this.item(thread)));
    }
    const item = this.item(channel);
    const list = this.keep(`threads-${channel.id}`, () => h("ul", { class: "threads" }));
    list.setAttribute("aria-label", `Threads of ${channel.name}`);
    place(list, rows);
    place(item, rows.length ? [item.firstElementChild, list] : [item.firstElementChild]);
    return item;
  }

  fold(channel, set, kind, text) {
    const toggle = () => {
      if (!set.delete(channel.id)) set.add(channel.id);
      this.drawChannels();
    };
    const item = this.keep(`${kind}-${channel.id}`, () =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: `fold ${kind}-toggle`, onclick: toggle },
          kind === "archive" ? icon("archive", 14) : null,
          h("span"),
        ),
      ),
    );
    const button = item.firstElementChild;
    button.lastElementChild.textContent = text;
    button.setAttribute("aria-expanded", String(set.has(channel.id)));
    return item;
  }

  item(channel) {
    const item = this.keep(`channel-${channel.id}`, () => h("li", {}, this.anchor(channel)));
    const row = item.firstElementChild;
    const unread = this.store.unread.get(channel.id);
    const current = channel.id === this.store.current;
    row.classList.toggle("current", current);
    row.classList.toggle("unread", Boolean(unread) && !current);
    row.classList.toggle("archived", isArchived(channel));
    row.title = channel.name;
    row.toggleAttribute("aria-current", current);
    row.querySelector(".name").textContent = channel.name;
    row.querySelector(".hidden-text").textContent = unread && !current ? " (unread)" : "";
    const count = row.querySelector(".count");
    count.hidden = !unread?.mentions;
    count.textContent = unread?.mentions ?? "";
    count.setAttribute("aria-label", `${unread?.mentions ?? 0} mentions`);
    return item;
  }

  anchor(channel) {
    const thread = isThread(channel);
    const mark =
      channel.type === DIRECT
        ? avatar(this.store.bot(channel.recipients?.[0]?.id), 22)
        : thread
          ? null
          : icon("hash", 18);
    return h(
      "a",
      {
        href: `#${channel.id}`,
        class: thread ? "channel thread" : "channel",
        data: { id: channel.id },
        onclick: this.actions.close,
      },
      mark,
      h("span", { class: "name" }),
      h("span", { class: "hidden-text" }),
      h("span", { class: "count" }),
    );
  }

  arrows(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const stops = [...$("channels").querySelectorAll("a, button")];
    const at = stops.indexOf(document.activeElement);
    if (at < 0) return;
    stops[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
    event.preventDefault();
  }

  drawMembers() {
    const users = [...this.store.users.values()].sort((a, b) => displayName(a).localeCompare(displayName(b)));
    const group = (name, members) =>
      members.length
        ? h(
            "section",
            {},
            h("h2", {}, `${name} — ${members.length}`),
            h(
              "ul",
              {},
              members.map((user) => this.member(user)),
            ),
          )
        : null;
    $("members").replaceChildren(
      ...[
        group(
          "Bots",
          users.filter((u) => u.bot),
        ),
        group(
          "Moderators",
          users.filter((u) => !u.bot && u.moderator),
        ),
        group(
          "Members",
          users.filter((u) => !u.bot && !u.moderator),
        ),
      ].filter(Boolean),
    );
  }

  member(user) {
    const mine = user.id === this.store.me.id;
    return h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: "member",
          title: `Mention ${displayName(user)}`,
          onclick: () => this.actions.mention(user),
        },
        avatar(user, 32),
        h("span", { class: "name" }, displayName(user), mine ? h("span", { class: "you" }, " (you)") : null),
        badge(user),
      ),
    );
  }
}

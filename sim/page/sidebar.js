// The channel list with its threads, the member list and the panel of one's own account.

import { $, avatar, badge, displayName, h, icon, iconButton } from "./dom.js";
import { compareIds, DIRECT, isArchived, isThread } from "./store.js";

const SHOWN = 20;
const CATEGORY = 4;
const LISTED = new Set([0, 2, 5, 15]);

const newest = (a, b) => compareIds(b.last_message_id ?? b.id, a.last_message_id ?? a.id);
const byPosition = (a, b) => (a.position ?? 0) - (b.position ?? 0) || compareIds(a.id, b.id);

export class Sidebar {
  /** `actions` has signOut(), mention(user), prepareArchive(channel) and close(). */
  constructor(store, actions) {
    Object.assign(this, { store, actions });
    this.archives = new Set();
    this.all = new Set();
    $("channels").addEventListener("keydown", (event) => this.arrows(event));
  }

  drawGuild() {
    $("guild-name").replaceChildren(h("h1", {}, this.store.guild.name));
    $("guild-icon").setAttribute("aria-label", this.store.guild.name);
    $("guild-icon").title = this.store.guild.name;
    const { me } = this.store;
    $("account").replaceChildren(
      avatar(me, 32),
      h(
        "div",
        { class: "account-name" },
        h("strong", {}, displayName(me)),
        h("small", {}, me.moderator ? "Moderator" : "Player"),
      ),
      iconButton("leave", "Sign out", this.actions.signOut, { id: "sign-out" }),
    );
  }

  drawChannels() {
    const nav = $("channels");
    const focused = nav.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const all = [...this.store.channels.values()];
    const top = all.filter((c) => LISTED.has(c.type)).sort(byPosition);
    const categories = all.filter((c) => c.type === CATEGORY).sort(byPosition);
    const loose = top.filter((c) => !categories.some((k) => k.id === c.parent_id));
    const list = (channels) =>
      h(
        "ul",
        {},
        channels.map((c) =>
          this.branch(
            c,
            all.filter((t) => isThread(t) && t.parent_id === c.id),
          ),
        ),
      );
    const direct = all.filter((c) => c.type === DIRECT).sort(newest);
    nav.replaceChildren(
      ...[
        loose.length ? list(loose) : null,
        ...categories.map((k) => {
          const inside = top.filter((c) => c.parent_id === k.id);
          return inside.length ? h("section", {}, h("h2", {}, k.name), list(inside)) : null;
        }),
        direct.length ? h("section", {}, h("h2", {}, "Direct messages"), list(direct)) : null,
      ].filter(Boolean),
    );
    if (focused) nav.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  branch(channel, threads) {
    const mine = (t) => (this.store.mine(t) ? 0 : 1);
    const order = (list) => list.sort((a, b) => mine(a) - mine(b) || newest(a, b));
    const active = order(threads.filter((t) => !isArchived(t) || t.id === this.store.current));
    const archived = order(threads.filter((t) => isArchived(t) && t.id !== this.store.current));
    const open = this.archives.has(channel.id);
    const shown = this.all.has(channel.id)
      ? active
      : active.filter((t, i) => i < SHOWN || t.id === this.store.current);
    const hidden = active.length - shown.length;
    const toggle = (set) => () => {
      if (!set.delete(channel.id)) set.add(channel.id);
      this.drawChannels();
    };
    const rows = [
      ...shown.map((t) => h("li", {}, this.row(t))),
      hidden || this.all.has(channel.id)
        ? h(
            "li",
            {},
            h(
              "button",
              {
                type: "button",
                class: "fold",
                data: { key: `all-${channel.id}` },
                onclick: toggle(this.all),
              },
              hidden ? `Show ${hidden} more` : "Show fewer",
            ),
          )
        : null,
      archived.length
        ? h(
            "li",
            {},
            h(
              "button",
              {
                type: "button",
                class: "fold archive-toggle",
                "aria-expanded": String(open),
                data: { key: `archive-${channel.id}` },
                onclick: toggle(this.archives),
              },
              icon("archive", 14),
              `${open ? "Hide" : "Show"} archived (${archived.length})`,
            ),
          )
        : null,
      ...(open ? archived.map((t) => h("li", {}, this.row(t))) : []),
    ];
    return h(
      "li",
      {},
      this.row(channel),
      rows.some(Boolean)
        ? h("ul", { class: "threads", "aria-label": `Threads of ${channel.name}` }, rows)
        : null,
    );
  }

  row(channel) {
    const unread = this.store.unread.get(channel.id);
    const current = channel.id === this.store.current;
    const thread = isThread(channel);
    const kinds = [
      "channel",
      thread && "thread",
      current && "current",
      unread && !current && "unread",
      isArchived(channel) && "archived",
    ];
    return h(
      "a",
      {
        href: `#${channel.id}`,
        class: kinds.filter(Boolean).join(" "),
        data: { key: channel.id, id: channel.id },
        title: channel.name,
        "aria-current": current ? "page" : null,
        onclick: this.actions.close,
      },
      thread
        ? null
        : channel.type === DIRECT
          ? avatar(this.store.bot(channel.recipients?.[0]?.id), 22)
          : icon("hash", 18),
      h("span", { class: "name" }, channel.name),
      unread && !current ? h("span", { class: "hidden-text" }, " (unread)") : null,
      unread?.mentions
        ? h("span", { class: "count", "aria-label": `${unread.mentions} mentions` }, unread.mentions)
        : null,
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
          "Players",
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

// Discord's markdown as DOM nodes. People's text only ever becomes text nodes and link targets checked
// to be http(s), so nothing that someone writes can turn into markup.

import { h } from "./dom.js";

const DEPTH = 8;
const UNITS = [
  ["year", 31536000],
  ["month", 2592000],
  ["week", 604800],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const FORMATS = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};

/** "in 2 hours", "3 minutes ago" for a time in milliseconds. */
export function relative(time, now = Date.now()) {
  const seconds = Math.round((time - now) / 1000);
  const [unit, size] = UNITS.find(([, s]) => Math.abs(seconds) >= s) ?? UNITS.at(-1);
  return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

/** A time in words for one of Discord's styles (t T d D f F R). */
export function formatTime(time, style = "f") {
  return style === "R"
    ? relative(time)
    : new Intl.DateTimeFormat(undefined, FORMATS[style] ?? FORMATS.f).format(time);
}

function timestamp([, seconds, style]) {
  const time = Number(seconds) * 1000;
  if (!Number.isFinite(time) || Math.abs(time) > 8.64e15) return null;
  const node = h(
    "time",
    { class: "timestamp", datetime: new Date(time).toISOString(), title: formatTime(time, "F") },
    formatTime(time, style),
  );
  if (style === "R") node.dataset.relative = String(time);
  return node;
}

/** Brings every "… ago" on the page up to date. */
export function refreshTimes(root = document) {
  for (const node of root.querySelectorAll("[data-relative]"))
    node.textContent = relative(Number(node.dataset.relative));
}

/** A link, or just its text when the address is not http(s). */
export function link(address, children) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return h("span", {}, children);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return h("span", {}, children);
  return h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer", title: url.href }, children);
}

function spoiler(children) {
  const reveal = (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    event.currentTarget.classList.add("shown");
    event.currentTarget.setAttribute("aria-expanded", "true");
  };
  return h(
    "span",
    {
      class: "spoiler",
      role: "button",
      tabindex: "0",
      "aria-expanded": "false",
      "aria-label": "Spoiler",
      onclick: reveal,
      onkeydown: reveal,
    },
    h("span", {}, children),
  );
}

const wrap = (tag) => (m, ctx, depth) => h(tag, {}, inline(m[1], ctx, depth));

// Each rule is tried where its pattern matches exactly at the reading position; the first one wins.
const RULES = [
  [/\\([^\p{L}\p{N}\s])/uy, (m) => m[1]],
  [/(?<!`)(`+)(?!`)([^]*?[^`])\1(?!`)/y, (m) => h("code", {}, m[2].replace(/^ (.*) $/, "$1"))],
  [/<(https?:\/\/[^\s<>]+)>/y, (m) => link(m[1], m[1])],
  [/<@!?(\d+)>/y, (m, ctx) => ctx.user(m[1])],
  [/<#(\d+)>/y, (m, ctx) => ctx.channel(m[1])],
  [/<@&(\d+)>/y, (m, ctx) => ctx.role(m[1])],
  [/<\/([\p{L}\p{N}_ -]+):\d+>/uy, (m, ctx) => ctx.command(m[1])],
  [/<t:(-?\d{1,13})(?::([tTdDfFR]))?>/y, timestamp],
  [/<a?(:\w+:)\d+>/y, (m) => h("span", { class: "custom-emoji" }, m[1])],
  [/@(?:everyone|here)\b/y, (m) => h("span", { class: "mention" }, m[0])],
  [
    /\[([^\]\n]+)\]\(<?((?:[^\s()<>]|\([^\s()<>]*\))+)>?(?: "[^"]*")?\)/y,
    (m, ctx, depth) => link(m[2], inline(m[1], ctx, depth)),
  ],
  [/https?:\/\/[^\s<>"]+[^\s<>".,;:!?')\]}*_~|]/y, (m) => link(m[0], m[0])],
  [/\*\*\*(?=\S)([^]+?)\*\*\*/y, (m, ctx, depth) => h("strong", {}, h("em", {}, inline(m[1], ctx, depth)))],
  [/\*\*(?=\S)([^]+?)\*\*(?!\*)/y, wrap("strong")],
  [/__(?=\S)([^]+?)__(?!_)/y, wrap("u")],
  [/~~(?=\S)([^]+?)~~/y, wrap("s")],
  [/\|\|([^]+?)\|\|/y, (m, ctx, depth) => spoiler(inline(m[1], ctx, depth))],
  [/\*(?=[^\s*])((?:\*\*[^*]*\*\*|[^*])+?)\*(?!\*)/y, wrap("em")],
  [/(?<![\p{L}\p{N}_])_(?=[^\s_])((?:__[^_]*__|[^_])+?)_(?![\p{L}\p{N}_])/uy, wrap("em")],
];
const SPECIAL = /[\\`<@[h*_~|]/;

/** One run of text with its emphasis, links and mentions; returns nodes and strings. */
function inline(text, ctx, depth = 0) {
  if (depth > DEPTH) return [text];
  const out = [];
  let plain = "";
  let at = 0;
  while (at < text.length) {
    let found = null;
    if (SPECIAL.test(text[at])) {
      for (const [pattern, build] of RULES) {
        pattern.lastIndex = at;
        const match = pattern.exec(text);
        const node = match && build(match, ctx, depth + 1);
        if (node) {
          found = { node, length: match[0].length };
          break;
        }
      }
    }
    if (!found) {
      plain += text[at];
      at += 1;
    } else {
      if (plain) out.push(plain);
      plain = "";
      out.push(found.node);
      at += found.length;
    }
  }
  if (plain) out.push(plain);
  return out;
}

function list(lines, ctx) {
  const stack = [];
  let root = null;
  for (const line of lines) {
    const [, indent, mark, text] = line.match(/^( *)([-*]|\d{1,9}\.) (.*)$/);
    while (stack.length > 1 && indent.length < stack.at(-1).indent) stack.pop();
    if (!stack.length || indent.length > stack.at(-1).indent + 1) {
      const node = /\d/.test(mark) ? h("ol", { start: parseInt(mark, 10) }) : h("ul");
      if (stack.length) stack.at(-1).node.lastElementChild.append(node);
      else root = node;
      stack.push({ indent: indent.length, node });
    }
    stack.at(-1).node.append(h("li", {}, inline(text, ctx)));
  }
  return root;
}

const LIST_LINE = /^ *(?:[-*]|\d{1,9}\.) \S/;

function blocks(text, ctx, quoted = false) {
  const out = [];
  const lines = text.split("\n");
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) out.push(h("div", { class: "text" }, inline(paragraph.join("\n"), ctx)));
    paragraph = [];
  };
  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i];
    const heading = line.match(/^(#{1,3}) +(.+)$/);
    const small = line.match(/^-# +(.+)$/);
    if (heading) {
      flush();
      out.push(
        h(`h${heading[1].length + 2}`, { class: `heading-${heading[1].length}` }, inline(heading[2], ctx)),
      );
    } else if (small) {
      flush();
      out.push(h("div", { class: "subtext" }, inline(small[1], ctx)));
    } else if (!quoted && line.startsWith(">>> ")) {
      flush();
      out.push(h("blockquote", {}, blocks([line.slice(4), ...lines.slice(i + 1)].join("\n"), ctx, true)));
      break;
    } else if (!quoted && line.startsWith("> ")) {
      flush();
      let end = i;
      while (end + 1 < lines.length && lines[end + 1].startsWith("> ")) end += 1;
      out.push(
        h(
          "blockquote",
          {},
          blocks(
            lines
              .slice(i, end + 1)
              .map((l) => l.slice(2))
              .join("\n"),
            ctx,
            true,
          ),
        ),
      );
      i = end;
    } else if (LIST_LINE.test(line)) {
      flush();
      let end = i;
      while (end + 1 < lines.length && LIST_LINE.test(lines[end + 1])) end += 1;
      out.push(list(lines.slice(i, end + 1), ctx));
      i = end;
    } else {
      paragraph.push(line);
    }
  }
  flush();
  return out;
}

/** A whole text as a fragment. `ctx` gives nodes for mentions: `user(id)`, `channel(id)`, `role(id)`, `command(name)`. */
export function markdown(text, ctx) {
  const fragment = document.createDocumentFragment();
  const parts = String(text ?? "").split(/```(?:([\w+#.-]+)\n|\n)?([^]*?)```/);
  for (let i = 0; i < parts.length; i += 3) {
    // The line breaks around a code block belong to it.
    let plain = parts[i];
    if (i > 0) plain = plain.replace(/^\n/, "");
    if (i + 1 < parts.length) plain = plain.replace(/\n$/, "");
    if (plain) fragment.append(...blocks(plain, ctx));
    if (i + 1 < parts.length) {
      fragment.append(
        h(
          "pre",
          { tabindex: "0" },
          h("code", { data: { language: parts[i + 1] ?? "" } }, parts[i + 2].replace(/\n$/, "")),
        ),
      );
    }
  }
  return fragment;
}

/** The text alone on one line, for previews of replies and titles. */
export function plainText(text, names) {
  return String(text ?? "")
    .replace(/<@!?(\d+)>/g, (_, id) => `@${names.user(id)}`)
    .replace(/<#(\d+)>/g, (_, id) => `#${names.channel(id)}`)
    .replace(/<\/([^:>]+):\d+>/g, "/$1")
    .replace(/<t:(-?\d{1,13})(?::([tTdDfFR]))?>/g, (_, s, style) => formatTime(Number(s) * 1000, style))
    .replace(/```(?:\w+\n)?|[*_~|`]{1,3}|^(?:>>?>? |#{1,3} |-# )/gm, "")
    .replace(/\s+/g, " ")
    .trim();
}

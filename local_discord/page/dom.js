// Small helpers that build elements. Text always becomes a text node: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, `on…` listeners and children (nodes, strings, nested arrays, null). */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [name, v] of Object.entries(value)) node.style.setProperty(name, v);
    else if (key === "data") for (const [name, v] of Object.entries(value)) node.dataset[name] = v;
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

/** Makes `nodes` the children of `parent`, touching only those that are new, gone or elsewhere. */
export function place(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const node of nodes) {
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
}

export const $ = (id) => document.getElementById(id);

const ICONS = {
  archive: "M4 4h16v4H4zm1 6h14v10H5zm4 3v2h6v-2z",
  close: "m6.4 5 5.6 5.6L17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4-5.6-5.6L6.4 19 5 17.6l5.6-5.6L5 6.4z",
  command: "m7 21 7-18h3l-7 18z",
  down: "M11 4h2v11.2l4.6-4.6L19 12l-7 7-7-7 1.4-1.4 4.6 4.6z",
  edit: "m4 16.5 9.9-9.9 3.5 3.5L7.5 20H4zM15.3 5.2l1.6-1.6a1 1 0 0 1 1.4 0l2.1 2.1a1 1 0 0 1 0 1.4l-1.6 1.6z",
  eye: "M12 5c5 0 9 4 10.5 7C21 15 17 19 12 19S3 15 1.5 12C3 9 7 5 12 5m0 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8m0 2a2 2 0 1 1 0 4 2 2 0 0 1 0-4",
  file: "M6 2h8l5 5v15H6zm7 1.500V8h4.500z",
  hash: "M9.3 3h2l-.8 5h4l.8-5h2l-.8 5H20v2h-3.800l-.7 4H19v2h-3.800l-.8 5h-2l.8-5h-4l-.8 5h-2l.8-5H4v-2h3.300l.7-4H5V8h3.500zm.9 7-.7 4h4l.7-4z",
  leave: "M4 3h9v2H6v14h7v2H4zm12 4 5 5-5 5-1.4-1.4 2.6-2.600H9v-2h8.200l-2.6-2.600z",
  members:
    "M9 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8m0 10c4 0 8 2 8 5v1H1v-1c0-3 4-5 8-5m7.5-9.800a4 4 0 0 1 0 7.6 6 6 0 0 0 0-7.600M18.5 20H23v-1c0-2.3-2.3-4-5.3-4.700A6 6 0 0 1 19 18.500z",
  menu: "M3 5h18v2H3zm0 6h18v2H3zm0 6h18v2H3z",
  moon: "M20 14.500A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5",
  plus: "M12 2a10 10 0 1 1 0 20 10 10 0 0 1 0-20m-1 5v4H7v2h4v4h2v-4h4v-2h-4V7z",
  reply: "M10 5v4c7 1 10 6 11 11-2.5-3.5-6-5-11-5v4l-7-7z",
  send: "M3 3.5 22 12 3 20.5 5 13.5 14 12 5 10.500z",
  sun: "M12 7a5 5 0 1 1 0 10 5 5 0 0 1 0-10M11 1h2v4h-2zm0 18h2v4h-2zM1 11h4v2H1zm18 0h4v2h-4zM4.9 3.500l2.8 2.8-1.4 1.4-2.8-2.800zm12.8 12.8 2.8 2.8-1.4 1.4-2.8-2.800zM3.5 19.100l2.8-2.8 1.4 1.4-2.8 2.800zM16.3 6.300l2.8-2.8 1.4 1.4-2.8 2.800z",
  thread:
    "M5 3h14a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2h-6l-5 5v-5H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2m2 4v2h10V7zm0 4v2h7v-2z",
  trash: "M9 3h6l1 2h4v2H4V5h4zM6 9h12l-1 12H7zm3 2v8h1.500v-8zm4.5 0v8H15v-8z",
};

export function icon(name, size = 20) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 24 24",
    width: size,
    height: size,
    "aria-hidden": "true",
  })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill", "currentColor");
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

export function iconButton(name, label, onclick, props = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...props },
    icon(name),
  );
}

const PALETTE = ["#5865f2", "#3ba55d", "#d9822b", "#c2457a", "#2b8fb8", "#8a5cd6", "#b3503c", "#587a2e"];

/** A colour as `#rrggbb` from Discord's integer, a CSS hex string, or nothing. */
export function cssColor(value) {
  if (Number.isInteger(value)) return `#${value.toString(16).padStart(6, "0")}`;
  return /^#[0-9a-f]{6}$/i.test(value ?? "") ? value : null;
}

export function userColor(user) {
  return (
    cssColor(user?.avatar_color) ??
    PALETTE[[...String(user?.id ?? "")].reduce((sum, c) => sum + c.charCodeAt(0), 0) % PALETTE.length]
  );
}

/** Black or white, whichever stands out more on a colour (WCAG's relative luminance). */
function readableOn(color) {
  const [r, g, b] = [1, 3, 5]
    .map((i) => parseInt(color.slice(i, i + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 ? "#ffffff" : "#000000";
}

export const displayName = (user) => user?.global_name || user?.username || "Unknown";

/** The first letters of the first two words of a name, by code point, so that emoji stay whole. */
export function initials(name) {
  const words = name
    .trim()
    .split(/[\s_.-]+/u)
    .filter(Boolean);
  return (
    words
      .slice(0, 2)
      .map((word) => [...word][0].toUpperCase())
      .join("") || "?"
  );
}

export function avatar(user, size = 40) {
  const color = userColor(user);
  return h(
    "span",
    {
      class: "avatar",
      "aria-hidden": "true",
      style: { "--size": `${size}px`, background: color, color: readableOn(color) },
    },
    initials(displayName(user)),
  );
}

export function badge(user) {
  if (user?.bot) return h("span", { class: "badge" }, "BOT");
  if (user?.moderator) return h("span", { class: "badge quiet", title: "Moderator" }, "MOD");
  return null;
}

/** Restores the focus. Chromium leaves the caret in a removed dialog unless the element is focused again. */
export function giveFocus(back) {
  if (!back?.isConnected) return;
  back.blur();
  back.focus({ preventScroll: true });
}

/** Says something short in the corner of the page; `kind` is "error" or "note". */
export function toast(text, kind = "error") {
  const node = h("div", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(node);
  setTimeout(() => node.remove(), kind === "error" ? 7000 : 4000);
}

/** Makes a text area as tall as its text. */
export function fit(box) {
  if (!box) return;
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, innerHeight * 0.4)}px`;
}

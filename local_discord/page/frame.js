// The frame around the conversation: drawers on small screens, the theme, the banner over everything.

import { $, h, icon } from "./dom.js";
import { recall, remember } from "./memory.js";

const WIDE = matchMedia("(min-width: 1024px)");
const LIGHT = matchMedia("(prefers-color-scheme: light)");

export const isWide = () => WIDE.matches;

/** A line over the whole page, with something to press if `action` names it; nothing takes it away again. */
export function banner(text, action, act) {
  const box = $("banner");
  box.hidden = !text;
  box.replaceChildren(
    ...(text
      ? [
          h("span", {}, text),
          action ? h("button", { type: "button", class: "link", onclick: act }, action) : null,
        ].filter(Boolean)
      : []),
  );
}

/** Opens a side list over the page on small screens: "left", "right" or null for none. */
export function drawer(side) {
  document.body.dataset.drawer = side ?? "";
  $("shade").hidden = !side;
  $("open-left").setAttribute("aria-expanded", String(side === "left"));
  $("main").inert = Boolean(side);
  if (side)
    $(side === "left" ? "left" : "members")
      .querySelector("a, button:not(.guild)")
      ?.focus();
}

function toggleMembers() {
  if (!WIDE.matches) {
    drawer(document.body.dataset.drawer === "right" ? null : "right");
    return;
  }
  const hidden = document.body.classList.toggle("no-members");
  remember("members", !hidden);
  $("toggle-members").setAttribute("aria-pressed", String(!hidden));
}

function setTheme(theme, save) {
  document.documentElement.dataset.theme = theme;
  if (save) remember("theme", theme);
  const next = theme === "dark" ? "light" : "dark";
  $("theme").replaceChildren(icon(theme === "dark" ? "sun" : "moon", 22));
  $("theme").setAttribute("aria-label", `Use the ${next} theme`);
  $("theme").title = `Use the ${next} theme`;
}

/** Joins the frame's buttons to what they do. Once, when the page starts. */
export function frame() {
  $("open-left").append(icon("menu", 24));
  $("toggle-members").append(icon("members", 24));
  $("open-left").addEventListener("click", () => drawer("left"));
  $("toggle-members").addEventListener("click", toggleMembers);
  $("shade").addEventListener("click", () => drawer(null));
  $("theme").addEventListener("click", () =>
    setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark", true),
  );
  $("skip").addEventListener("click", (event) => {
    event.preventDefault();
    $("scroller").focus();
  });
  setTheme(document.documentElement.dataset.theme, false);
  if (recall("members") === false) {
    document.body.classList.add("no-members");
    $("toggle-members").setAttribute("aria-pressed", "false");
  }
  WIDE.addEventListener("change", () => drawer(null));
  LIGHT.addEventListener("change", (event) => {
    if (!recall("theme")) setTheme(event.matches ? "light" : "dark", false);
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.dataset.drawer) drawer(null);
  });
}

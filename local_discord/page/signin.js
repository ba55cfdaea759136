// Signing in with a name, and remembering it. `?as=…` in the address keeps a second person apart in the same browser.

import { h } from "./dom.js";
import { recall, remember } from "./memory.js";

const slot = new URLSearchParams(location.search).get("as");
const KEY = slot ? `session.${slot}` : "session";

export const savedSession = () => recall(KEY);
export const saveSession = (session) => remember(KEY, session);

/** Asks for a name until `signIn(name, moderator)` succeeds; resolves to what it gave. `service` is what `about` said. */
export function askName(signIn, known = null, service = null) {
  return new Promise((resolve) => {
    const name = h("input", {
      id: "name",
      name: "name",
      maxlength: 32,
      required: true,
      autocomplete: "nickname",
      "aria-describedby": "name-error",
      placeholder: "robin",
    });
    name.value = known?.name ?? slot ?? "";
    const moderator = h("input", { type: "checkbox", id: "moderator", name: "moderator" });
    moderator.checked = Boolean(known?.moderator);
    const error = h("p", { class: "error", id: "name-error", role: "alert" });
    const enter = h("button", { class: "button primary", type: "submit" }, "Join");
    const form = h(
      "form",
      {
        class: "card",
        novalidate: true,
        onsubmit: async (event) => {
          event.preventDefault();
          const chosen = name.value.trim();
          if (chosen.length < 2) {
            error.textContent = "Please choose a name of at least two letters.";
            name.setAttribute("aria-invalid", "true");
            name.focus();
            return;
          }
          enter.disabled = true;
          try {
            const user = await signIn(chosen, moderator.checked);
            screen.remove();
            resolve(user);
          } catch (problem) {
            error.textContent = problem.message;
            enter.disabled = false;
          }
        },
      },
      h("img", { src: "icon.svg", alt: "", width: 72, height: 72 }),
      h("h1", {}, service?.name ?? "Welcome"),
      h("p", {}, service?.welcome ?? ""),
      h("label", { for: "name", class: "label" }, "Your name"),
      name,
      error,
      h(
        "label",
        { class: "check" },
        moderator,
        h(
          "span",
          {},
          "I am a moderator",
          h("small", {}, "Shows the commands for those who manage the server."),
        ),
      ),
      enter,
    );
    const screen = h("main", { id: "sign-in" }, form);
    document.body.append(screen);
    name.focus();
  });
}

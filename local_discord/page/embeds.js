// Pictures, files and embeds of a message, and the large view of a picture.

import { cssColor, giveFocus, h, icon } from "./dom.js";
import { formatTime, link, markdown } from "./markdown.js";

const IMAGE = /^image\//;
const NAME = /\.(png|jpe?g|gif|webp|svg|avif)$/i;
const ORIGINS = new Set(["localhost", "127.0.0.1"]);

export const isImage = (file) =>
  IMAGE.test(file.content_type ?? "") || (!file.content_type && NAME.test(file.filename ?? ""));

/** An address of this service as this page reaches it (the bot may know the service by another host name). */
export function localUrl(address) {
  let url;
  try {
    url = new URL(address, location.href);
  } catch {
    return null;
  }
  if (url.protocol === "data:" || url.protocol === "blob:")
    return IMAGE.test(url.pathname) || url.protocol === "blob:" ? url.href : null;
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  const ours = ORIGINS.has(url.hostname) && ORIGINS.has(location.hostname) && url.port === location.port;
  return ours ? `${location.origin}${url.pathname}${url.search}` : url.href;
}

/** The attachment that `attachment://name` stands for, or the media as given. */
export function resolveMedia(media, attachments = []) {
  const named = /^attachment:\/\/(.+)$/.exec(media?.url ?? "");
  const file = named && attachments.find((a) => a.filename === named[1]);
  return file ? { ...media, ...file } : media;
}

/** Opens a picture over the whole page; Escape or a click closes it. */
export function enlarge(media, alt) {
  const url = localUrl(media.url);
  const back = document.activeElement;
  const close = () => {
    dialog.remove();
    giveFocus(back);
  };
  const dialog = h(
    "dialog",
    { class: "lightbox", "aria-label": alt || "Picture", onclick: () => dialog.close(), onclose: close },
    h(
      "figure",
      {},
      h("img", { src: url, alt, width: media.width, height: media.height }),
      h(
        "figcaption",
        {},
        alt ? h("span", {}, alt) : null,
        h(
          "a",
          {
            href: url,
            target: "_blank",
            rel: "noopener noreferrer",
            onclick: (event) => event.stopPropagation(),
          },
          "Open original",
        ),
      ),
    ),
    h("button", { type: "button", class: "icon-button close", "aria-label": "Close" }, icon("close", 28)),
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** A picture that holds its place before it has loaded, when its size is known. */
export function picture(media, { alt = "", small = false, hidden = false } = {}) {
  const url = localUrl(media?.url ?? "");
  if (!url) return h("div", { class: "missing" }, alt || "Picture not available");
  const sized = media.width > 0 && media.height > 0;
  const img = h("img", {
    src: url,
    alt: alt || media.filename || "Picture",
    decoding: "async",
    width: sized ? media.width : null,
    height: sized ? media.height : null,
    onerror: () => button.classList.add("broken"),
    onload: () => button.style.removeProperty("background-image"),
  });
  const button = h(
    "button",
    {
      type: "button",
      class: `picture${small ? " small" : ""}${hidden ? " veiled" : ""}${sized ? " sized" : ""}`,
      "aria-label": `${alt || media.filename || "Picture"} – enlarge`,
      style: sized ? { "--w": media.width, "--h": media.height } : {},
      onclick: () =>
        button.classList.contains("veiled")
          ? button.classList.remove("veiled")
          : enlarge({ ...media, url }, alt),
    },
    img,
  );
  return button;
}

/** Shows the old pictures of a redrawn message until the new ones have loaded, so that nothing blinks. */
export function keepPictures(before, after) {
  const old = before.querySelectorAll(".picture img");
  after.querySelectorAll(".picture img").forEach((img, i) => {
    if (!old[i]?.complete || !old[i].naturalWidth) return;
    if (old[i].getAttribute("src") === img.getAttribute("src")) reuse(old[i], img);
    else img.parentElement.style.backgroundImage = `url(${JSON.stringify(old[i].src)})`;
  });
}

function reuse(loaded, fresh) {
  loaded.alt = fresh.alt;
  fresh.replaceWith(loaded);
}

const size = (bytes) =>
  bytes >= 1e6
    ? `${(bytes / 1e6).toFixed(1)} MB`
    : bytes >= 1e3
      ? `${Math.round(bytes / 1e3)} kB`
      : `${bytes} bytes`;

export function fileCard(file) {
  const url = localUrl(file.url ?? "");
  return h(
    "div",
    { class: "file" },
    icon("file", 28),
    h(
      "span",
      {},
      h(
        "a",
        { href: url, download: file.filename, target: "_blank", rel: "noopener noreferrer" },
        file.filename ?? "file",
      ),
      Number.isFinite(file.size) ? h("small", {}, size(file.size)) : null,
    ),
  );
}

/** A message's own attachments; those that an embed or a component shows are left to it. */
export function attachments(message) {
  const shown = new Set();
  const files = message.attachments ?? [];
  const mark = (value) => {
    const url = value?.url ?? "";
    const file = files.find((a) => url === a.url || url === `attachment://${a.filename}`);
    if (file) shown.add(file.id ?? file.url);
  };
  for (const embed of message.embeds ?? []) [embed.image, embed.thumbnail].forEach(mark);
  const walk = (components) => {
    for (const c of components ?? []) {
      mark(c.media);
      mark(c.file);
      for (const item of c.items ?? []) mark(item.media);
      walk(c.components);
      if (c.accessory) walk([c.accessory]);
    }
  };
  walk(message.components);
  const rest = files.filter((file) => !shown.has(file.id ?? file.url));
  if (!rest.length) return null;
  const pictures = rest.filter(isImage);
  return h(
    "div",
    { class: "attachments" },
    pictures.map((file) =>
      picture(file, {
        alt: file.description ?? "",
        small: pictures.length > 1,
        hidden: file.filename?.startsWith("SPOILER_"),
      }),
    ),
    rest.filter((file) => !isImage(file)).map(fileCard),
  );
}

export function embed(data, message, ctx) {
  const files = message.attachments;
  const image = resolveMedia(data.image, files);
  const thumbnail = resolveMedia(data.thumbnail, files);
  const footer = [data.footer?.text, data.timestamp ? formatTime(Date.parse(data.timestamp), "f") : null]
    .filter(Boolean)
    .join(" • ");
  const color = cssColor(data.color);
  return h(
    "article",
    { class: "embed", style: color ? { "--edge": color } : {} },
    h(
      "div",
      { class: "embed-text" },
      data.author?.name
        ? h(
            "div",
            { class: "embed-author" },
            data.author.url ? link(data.author.url, data.author.name) : data.author.name,
          )
        : null,
      data.title
        ? h(
            "div",
            { class: "embed-title" },
            data.url ? link(data.url, data.title) : markdown(data.title, ctx),
          )
        : null,
      data.description ? h("div", { class: "embed-description" }, markdown(data.description, ctx)) : null,
      data.fields?.length
        ? h(
            "div",
            { class: "embed-fields" },
            data.fields.map((field) =>
              h(
                "div",
                { class: field.inline ? "field inline" : "field" },
                h("div", { class: "field-name" }, markdown(field.name, ctx)),
                h("div", {}, markdown(field.value, ctx)),
              ),
            ),
          )
        : null,
    ),
    thumbnail?.url
      ? h(
          "div",
          { class: "embed-thumbnail" },
          picture(thumbnail, { alt: thumbnail.description ?? data.title ?? "", small: true }),
        )
      : null,
    image?.url
      ? h("div", { class: "embed-image" }, picture(image, { alt: image.description ?? data.title ?? "" }))
      : null,
    footer ? h("footer", {}, footer) : null,
  );
}

// Sets the theme before the first paint, so that the page never flashes in the wrong one.
(() => {
  let saved = null;
  try {
    saved = JSON.parse(localStorage.getItem("local-discord.theme"));
  } catch {
    // Storage is switched off: follow the system.
  }
  const system = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset.theme = saved ?? system;
})();

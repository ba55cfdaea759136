// What this browser remembers between visits. Where storage is full or switched off, it lasts for this visit only.

const visit = new Map();

/** The value kept under a name, or null. */
export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(`local-discord.${name}`));
  } catch {
    return visit.get(name) ?? null;
  }
}

/** Keeps a value under a name; null forgets it. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(`local-discord.${name}`);
    else localStorage.setItem(`local-discord.${name}`, JSON.stringify(value));
  } catch {
    visit.set(name, value);
  }
}

// The calls to the local service and the live connection, independent of what is on the screen.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Api {
  /** `guild`: the id of the server that is looked at; by default the service's own. */
  constructor(token = null, guild = null) {
    Object.assign(this, { token, guild });
  }

  async request(method, path, body) {
    const headers = {};
    if (this.token) headers.Authorization = `Local ${this.token}`;
    const form = body instanceof FormData;
    if (body !== undefined && !form) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(`/local/${path}`, {
        method,
        headers,
        body: form || body === undefined ? body : JSON.stringify(body),
      });
    } catch {
      throw new ApiError(0, "The service cannot be reached.");
    }
    const text = await response.text();
    let data = null;
    try {
      data = text ? JSON.parse(text) : null;
    } catch {
      data = { message: text };
    }
    if (!response.ok)
      throw new ApiError(
        response.status,
        data?.message || data?.error || `The service answered ${response.status}.`,
      );
    return data;
  }

  /** The server's name and what it says to newcomers; needs no token. */
  about() {
    return this.request("GET", "about");
  }

  signIn(name, moderator) {
    return this.request("POST", "users", { name, moderator, language: navigator.language });
  }

  state() {
    return this.request("GET", this.guild ? `state?guild=${this.guild}` : "state");
  }

  /** Joins another server. */
  enter(guild, moderator) {
    return this.request("POST", `guilds/${guild}/members`, { moderator });
  }

  messages(channel, before) {
    const older = before ? `&before=${before}` : "";
    return this.request("GET", `channels/${channel}/messages?limit=100${older}`);
  }

  send(channel, message, files = []) {
    if (!files.length) return this.request("POST", `channels/${channel}/messages`, message);
    const form = new FormData();
    form.append("payload_json", JSON.stringify(message));
    for (const [key, value] of Object.entries(message)) form.append(key, value);
    files.forEach((file, i) => form.append(`files[${i}]`, file, file.name));
    return this.request("POST", `channels/${channel}/messages`, form);
  }

  edit(channel, message, content) {
    return this.request("PATCH", `channels/${channel}/messages/${message}`, { content });
  }

  remove(channel, message) {
    return this.request("DELETE", `channels/${channel}/messages/${message}`);
  }

  typing(channel) {
    return this.request("POST", `channels/${channel}/typing`);
  }

  react(channel, message, emoji) {
    return this.request(
      "PUT",
      `channels/${channel}/messages/${message}/reactions/${encodeURIComponent(emoji)}`,
    );
  }

  interact(interaction) {
    return this.request("POST", "interactions", interaction);
  }
}

/** A WebSocket that comes back by itself: `onEvent(name, data)`, `onOpen(again)`, `onLost(attempt)`. */
export class Socket {
  constructor({ token, guild }, { onEvent, onOpen, onLost }) {
    Object.assign(this, { token, guild, onEvent, onOpen, onLost });
    this.attempt = 0;
    this.wasOpen = false;
    this.closed = false;
    addEventListener("online", this.retryNow);
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.timer = null;
    this.socket = new WebSocket(
      `${scheme}://${location.host}/local/ws?token=${encodeURIComponent(this.token)}&guild=${this.guild ?? ""}`,
    );
    this.socket.onopen = () => {
      const again = this.wasOpen;
      this.attempt = 0;
      this.wasOpen = true;
      this.onOpen(again);
    };
    this.socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      this.onEvent(frame.t, frame.d ?? {});
    };
    this.socket.onclose = () => {
      if (this.closed) return;
      this.attempt += 1;
      this.onLost(this.attempt);
      this.timer = setTimeout(() => this.connect(), Math.min(8000, 400 * 2 ** (this.attempt - 1)));
    };
  }

  retryNow = () => {
    if (this.closed || !this.timer) return;
    clearTimeout(this.timer);
    this.connect();
  };

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.retryNow);
    this.socket.close();
  }
}

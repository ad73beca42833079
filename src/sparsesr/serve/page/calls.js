// Calls of the server. Every failure becomes an Error whose message can be shown.

export class ServerError extends Error {
  constructor(status, message, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

let askForToken = async () => false;

// `ask` shows a dialog and resolves to true once the server has accepted a token.
export function onTokenNeeded(ask) {
  askForToken = ask;
}

export async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, "the server does not answer; is it still running?");
  }
  if (response.status === 401 && (await askForToken())) return call(path, options);
  if (!response.ok) throw await failure(response);
  return response;
}

async function failure(response) {
  let message = `the server answered with status ${response.status}`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // not one of its own answers
  }
  return new ServerError(response.status, message, Number(response.headers.get("Retry-After")) || 0);
}

export async function json(path, options) {
  return (await call(path, options)).json();
}

// Like `call`, but waits and tries again while the server has too much to do.
export async function patiently(path, options) {
  for (;;) {
    try {
      return await call(path, options);
    } catch (error) {
      if (error.status !== 429) throw error;
      await new Promise((wake) => setTimeout(wake, 1000 * Math.max(error.retryAfter, 1)));
    }
  }
}

export function openSession(token) {
  return fetch("/v1/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
}

export function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  return new URLSearchParams(given).toString();
}

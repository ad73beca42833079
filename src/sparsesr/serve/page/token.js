// Asks for the token of the server, once for all calls that wait for it.

import { openSession } from "./calls.js";

let asking = null;

export function askForToken(dialog, input, hint) {
  asking ??= ask(dialog, input, hint).finally(() => {
    asking = null;
  });
  return asking;
}

function ask(dialog, input, hint) {
  return new Promise((answer) => {
    dialog.addEventListener(
      "close",
      async () => {
        const token = input.value.trim();
        input.value = "";
        if (!token) return answer(false);
        const accepted = (await openSession(token)).ok;
        if (!accepted) hint.textContent = "That was not it.";
        answer(accepted || (await ask(dialog, input, hint)));
      },
      { once: true },
    );
    dialog.showModal();
  });
}

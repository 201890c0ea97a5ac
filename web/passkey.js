// Signs in with a passkey, or registers one (WebAuthn Level 2). Everything that counts is checked by the server.
"use strict";

const form = document.querySelector("form[data-passkey]");

/** Bytes as base64url, and back. */
const text = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const bytes = (said) => Uint8Array.from(atob(said.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

const say = (words) => {
  const place = document.getElementById("passkey-says");
  place.textContent = words;
  place.hidden = !words;
};

const fill = (name, value) => {
  form.elements.namedItem(name).value = value;
};

const algorithms = [-8, -7, -257].map((alg) => ({ type: "public-key", alg }));

async function register() {
  const made = await navigator.credentials.create({
    publicKey: {
      challenge: bytes(form.dataset.challenge),
      rp: { id: form.dataset.rp, name: "callbook" },
      user: { id: bytes(form.dataset.user), name: form.dataset.person, displayName: form.dataset.person },
      pubKeyCredParams: algorithms,
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
      excludeCredentials: form.dataset.known
        .split(" ")
        .filter(Boolean)
        .map((id) => ({ type: "public-key", id: bytes(id) })),
      attestation: "none",
      timeout: 120000,
    },
  });
  fill("credential", text(made.rawId));
  fill("client", text(made.response.clientDataJSON));
  fill("authenticator", text(made.response.getAuthenticatorData()));
  fill("key", text(made.response.getPublicKey()));
}

async function assert() {
  const shown = await navigator.credentials.get({
    publicKey: {
      challenge: bytes(form.dataset.challenge),
      rpId: form.dataset.rp,
      userVerification: "required",
      timeout: 120000,
    },
  });
  fill("credential", text(shown.rawId));
  fill("client", text(shown.response.clientDataJSON));
  fill("authenticator", text(shown.response.authenticatorData));
  fill("signature", text(shown.response.signature));
}

if (form) {
  const button = form.querySelector("button");
  if (window.PublicKeyCredential) {
    button.hidden = false;
    document.getElementById("passkey-needs").hidden = true;
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true;
    say("");
    const work = form.dataset.passkey === "register" ? register() : assert();
    work.then(
      () => form.submit(),
      (error) => {
        button.disabled = false;
        say(`Nothing happened: ${error.message || error.name}. Try again.`);
      },
    );
  });
}

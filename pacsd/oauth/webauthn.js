// Security keys on our pages: a form with data-webauthn is sent once the browser's authenticator has answered.
// Binary members go over the wire in base64url (W3C Web Authentication Level 3, 5.1.8 to 5.1.10).
"use strict";

(() => {
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(Array.from(new Uint8Array(buffer), (one) => String.fromCharCode(one)).join(""))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const listed = (credentials) => (credentials || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const read = (told) => {
    const options = { ...told, challenge: bytes(told.challenge) };
    if (told.user) options.user = { ...told.user, id: bytes(told.user.id) };
    if (told.excludeCredentials) options.excludeCredentials = listed(told.excludeCredentials);
    if (told.allowCredentials) options.allowCredentials = listed(told.allowCredentials);
    return options;
  };

  const written = (found) => {
    const response = { clientDataJSON: text(found.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (found.response[name]) response[name] = text(found.response[name]);
    }
    return JSON.stringify({ id: found.id, rawId: text(found.rawId), type: found.type, response,
      clientExtensionResults: {} });
  };

  const tell = (form, message) => {
    const told = form.querySelector("[data-told]");
    told.textContent = message;
    told.hidden = !message;
  };

  const asked = async (form) => {
    const options = { publicKey: read(JSON.parse(form.dataset.options)) };
    const credentials = navigator.credentials;
    return form.dataset.webauthn === "create" ? credentials.create(options) : credentials.get(options);
  };

  const answer = async (event) => {
    const form = event.target;
    event.preventDefault();
    tell(form, "");
    try {
      form.elements.answer.value = written(await asked(form));
    } catch (error) {
      tell(form, error.name === "InvalidStateError" ? form.dataset.known : form.dataset.failed);
      return;
    }
    form.submit();
  };

  for (const form of document.querySelectorAll("form[data-webauthn]")) {
    if (window.PublicKeyCredential) form.addEventListener("submit", answer);
    else {
      tell(form, form.dataset.missing);
      form.querySelector("button").disabled = true;
    }
  }
})();

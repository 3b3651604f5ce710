// Everything here improves a page that works without it.

function themeToggle(button) {
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const theme = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
    root.setAttribute("data-bs-theme", theme);
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // Storage may be forbidden; the choice then lasts for this page.
    }
  });
}

function selection(form) {
  const all = form.querySelector("[data-select-all]");
  const boxes = () => [...form.querySelectorAll("[data-select]")];
  const count = form.querySelector("[data-selected-count]");
  const update = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    if (count) count.textContent = chosen;
    for (const button of form.querySelectorAll("[data-needs-selection]")) button.disabled = !chosen;
    if (all) {
      all.checked = chosen > 0 && chosen === boxes().length;
      all.indeterminate = chosen > 0 && chosen < boxes().length;
    }
  };
  all?.addEventListener("change", () => {
    for (const box of boxes()) box.checked = all.checked;
    update();
  });
  form.addEventListener("change", update);
  update();
}

function narrowing(group) {
  const lines = [...group.querySelectorAll("[data-words]")];
  const input = group.querySelector("[data-narrow]");
  input.addEventListener("input", () => {
    const words = input.value.trim().toLowerCase();
    for (const line of lines) line.hidden = !line.dataset.words.includes(words);
  });
  // Enter in the search must not send the whole form.
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
}

function once(form) {
  // A double click must not send the form twice.
  form.addEventListener("submit", () => {
    setTimeout(() => {
      for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = true;
    });
  });
}

function slug(text) {
  return text
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40)
    .replace(/^-+|-+$/g, "");
}

function suggestion(name) {
  // The short name follows the name until somebody writes one.
  const field = document.getElementById(name.dataset.names);
  let own = field.value !== "";
  field.addEventListener("input", () => (own = field.value !== ""));
  name.addEventListener("input", () => {
    if (!own) field.value = slug(name.value);
  });
}

function prepare(root) {
  for (const button of root.querySelectorAll("[data-theme-toggle]")) themeToggle(button);
  for (const form of root.querySelectorAll("form[data-selection]")) selection(form);
  for (const name of root.querySelectorAll("[data-names]")) suggestion(name);
  for (const group of root.querySelectorAll("[data-narrowing]")) narrowing(group);
  // A download leaves the page where it is: its form may be sent again.
  for (const form of root.querySelectorAll("form[method=post]:not([data-stays])")) once(form);
  if (window.matchMedia("(max-width: 991px)").matches) {
    for (const details of root.querySelectorAll("[data-narrow-closed]")) details.open = false;
  }
  for (const control of root.querySelectorAll("[data-submits]")) {
    control.addEventListener("change", () => control.form.requestSubmit());
  }
}

const announcer = document.getElementById("announcer");

function announce(root) {
  const text = root.querySelector("[data-announce]")?.textContent.trim();
  if (announcer && text && announcer.textContent !== text) announcer.textContent = text;
}

prepare(document);
document.addEventListener("htmx:load", (event) => {
  if (event.target === document.body) return;
  prepare(event.target);
  announce(event.target);
});
document.addEventListener("htmx:beforeSwap", (event) => {
  // The sign-in page came instead of the fragment: the session has ended while the page was open.
  const asked = new URL(event.detail.pathInfo.requestPath, location.href).pathname;
  if (new URL(event.detail.xhr.responseURL).pathname === asked) return;
  event.detail.shouldSwap = false;
  location.reload();
});
window.addEventListener("pageshow", (event) => {
  // Back from another page: buttons that were switched off when the form was sent work again.
  if (!event.persisted) return;
  for (const button of document.querySelectorAll("form[method=post] button[type=submit]")) {
    button.disabled = button.matches("[data-needs-selection]") && !button.form.querySelector("[data-select]:checked");
  }
});

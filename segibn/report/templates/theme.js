"use strict";
// Light or dark: what the system wants, until the reader says otherwise.
(() => {
  const root = document.documentElement;
  const key = "segibn-report-theme";
  root.classList.add("js");
  let chosen = null;
  try {
    chosen = localStorage.getItem(key);
  } catch {
    // a browser may keep nothing for local files
  }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
    };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem(key, root.dataset.theme);
      } catch {
        // the choice holds for as long as the page is open
      }
      show();
    });
    system.addEventListener("change", show);
    show();
  });
})();

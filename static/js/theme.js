// Runs before the first paint: the saved choice, else what the system prefers.
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    let saved = null;
    try {
      saved = localStorage.getItem("theme");
    } catch {
      // Storage may be forbidden; the system's preference still counts.
    }
    const theme = saved || (system.matches ? "dark" : "light");
    document.documentElement.setAttribute("data-bs-theme", theme);
  };
  apply();
  system.addEventListener("change", apply);
})();

// Before the first paint: the theme that the person chose on this device, else the one of the system.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const cookie = document.cookie.match(/(?:^|; )xiuhua_theme=(light|dark)/);
  const apply = () => {
    const choice = root.dataset.themeChoice;
    root.dataset.bsTheme = choice === "light" || choice === "dark" ? choice : dark.matches ? "dark" : "light";
  };
  if (cookie) root.dataset.themeChoice = cookie[1];
  apply();
  dark.addEventListener("change", apply);
})();

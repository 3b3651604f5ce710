// Copies what the pages use out of node_modules into static/vendor/<library>-<version>/, with the
// licences, and writes static/vendor/vendor.json (version, licence, sha384 of each file), from
// which the template tags take addresses and integrity values. Run: npm ci && npm run vendor

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const ICONS = [
  "activity", "adjustments-horizontal", "alert-circle", "alert-triangle", "archive", "arrow-back-up",
  "arrow-left", "arrow-right", "arrows-exchange", "bell", "building", "building-warehouse", "calendar-event",
  "check", "chevron-down", "chevron-left", "chevron-right", "circle-check", "clock", "cloud",
  "database", "device-desktop", "door", "file-unknown", "folder", "folder-open", "folders", "history",
  "home", "inbox", "info-circle", "list-check", "list-details", "loader-2", "lock", "login",
  "logout", "mail", "mail-opened", "mailbox", "menu-2", "moon", "note", "paperclip", "player-pause",
  "player-play", "player-stop", "power", "refresh", "search", "send", "server", "server-2",
  "shield-check", "shield-off", "sun", "switch-horizontal", "trash", "user", "users", "user-circle",
  "x", "progress", "stack-2", "id", "checkbox", "calendar-time", "gauge", "plug-connected", "plug-x",
];

const mit = (...holders) => `${holders.map((holder) => `Copyright (c) ${holder}`).join("\n")}

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`;

// @tabler/core ships no licence file, and its script contains Bootstrap and Popper.
const TABLER_LICENCE = mit(
  "2018-2026 The Tabler Authors and codecalm.net Paweł Kuna",
  "2011-2026 The Bootstrap Authors",
  "2019 Federico Zivolo (Popper)",
);

const LIBRARIES = [
  {
    name: "tabler", from: "@tabler/core", licence: "MIT", licenceText: TABLER_LICENCE,
    files: ["dist/css/tabler.min.css", "dist/js/tabler.min.js"],
  },
  { name: "htmx", from: "htmx.org", licence: "0BSD", licenceFile: "LICENSE", files: ["dist/htmx.min.js"] },
  {
    name: "inter", from: "@fontsource-variable/inter", licence: "OFL-1.1", licenceFile: "LICENSE",
    files: ["files/inter-latin-wght-normal.woff2", "files/inter-latin-ext-wght-normal.woff2"],
  },
  { name: "tabler-icons", from: "@tabler/icons", licence: "MIT", licenceFile: "LICENSE", files: [], sprite: ICONS },
];

const TARGET = "static/vendor";

function sprite(folder, names) {
  const symbols = names.map((name) => {
    const svg = readFileSync(join(folder, "icons/outline", `${name}.svg`), "utf8");
    const shape = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
    return `<symbol id="${name}" viewBox="0 0 24 24">${shape.replace(/\s*\n\s*/g, "")}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`;
}

function vendor({ name, from, licence, licenceFile, licenceText, files, sprite: icons }) {
  const source = join("node_modules", from);
  const { version } = JSON.parse(readFileSync(join(source, "package.json"), "utf8"));
  const folder = `${name}-${version}`;
  mkdirSync(join(TARGET, folder), { recursive: true });
  for (const file of files) {
    const content = readFileSync(join(source, file));
    const text = file.endsWith(".woff2")
      ? content
      : content.toString("utf8").replace(/\n?\/[/*]# sourceMappingURL=[^\n]*\n?/, "\n");
    writeFileSync(join(TARGET, folder, basename(file)), text);
  }
  const written = files.map((file) => basename(file));
  if (icons) {
    writeFileSync(join(TARGET, folder, "sprite.svg"), sprite(source, icons));
    written.push("sprite.svg");
  }
  if (licenceFile) cpSync(join(source, licenceFile), join(TARGET, folder, "LICENSE"));
  else writeFileSync(join(TARGET, folder, "LICENSE"), licenceText);
  const digest = (file) =>
    `sha384-${createHash("sha384").update(readFileSync(join(TARGET, folder, file))).digest("base64")}`;
  return { version, licence, folder, files: Object.fromEntries(written.map((file) => [file, digest(file)])) };
}

rmSync(TARGET, { recursive: true, force: true });
const manifest = Object.fromEntries(LIBRARIES.map((library) => [library.name, vendor(library)]));
writeFileSync(join(TARGET, "vendor.json"), `${JSON.stringify(manifest, null, 2)}\n`);

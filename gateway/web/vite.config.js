// Builds the page into gateway/static, with a list of what it was built from.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const OUT = "../static";
// Everything the bundle is made of; gateway/tests/test_page.py hashes the same.
const SOURCES = [
  "index.html",
  "lock.mjs",
  "package-lock.json",
  "package.json",
  "tsconfig.json",
  "vite.config.js",
];

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

function manifest() {
  return {
    name: "manifest",
    closeBundle() {
      const lines = [...SOURCES, ...files("src")].sort().map((path) => {
        const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
        return `${digest}  ${path}\n`;
      });
      writeFileSync(join(OUT, "sources.sha256"), lines.join(""));
    },
  };
}

export default defineConfig({
  plugins: [svelte(), manifest()],
  build: { outDir: OUT, emptyOutDir: true, target: "es2022", modulePreload: false },
  server: { proxy: { "/v1": "http://127.0.0.1:8080" } },
});

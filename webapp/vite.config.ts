import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, loadEnv } from "vite";

export default defineConfig(({ mode }) => {
  const backend = {
    target: loadEnv(mode, ".", "RUNLEDGER_").RUNLEDGER_URL ?? "https://127.0.0.1:8443",
    secure: false, // the development certificate is signed by the local CA
  };
  return {
    plugins: [svelte()],
    build: {
      // The content security policy allows no data: addresses.
      assetsInlineLimit: 0,
      // The themes rest on light-dark(); older targets would rewrite it.
      cssTarget: ["chrome123", "firefox120", "safari17.5"],
    },
    server: { proxy: { "/api": backend, "/health": backend } },
  };
});

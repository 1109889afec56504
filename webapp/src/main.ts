import { mount } from "svelte";
import App from "./app/App.svelte";
import "./app/tokens.css";
import "./app/base.css";
import { theme } from "./app/theme.svelte";

theme.apply();
mount(App, { target: document.getElementById("app")! });

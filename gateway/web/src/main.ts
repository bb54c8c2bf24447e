// Mounts the page.
import { mount } from "svelte";
import App from "./App.svelte";
import "./styles/base.css";
import "./styles/board.css";
import "./styles/parts.css";

const target = document.getElementById("page");
if (target) mount(App, { target });

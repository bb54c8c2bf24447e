// Who is signed in: the token of this tab, and what it says of its bearer.

const KEY = "fairslot.token";
const THEME_KEY = "fairslot.theme";

export type Theme = "auto" | "light" | "dark";

interface Claims {
  sub: string;
  tenant: string;
  roles: string[];
  exp: number;
}

/** Reads a token's claims for display; whether it is good is for the server to say. */
export function claimsOf(token: string): Claims | undefined {
  try {
    const part = token.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
      c.charCodeAt(0),
    );
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof claims.sub !== "string" || typeof claims.tenant !== "string") return undefined;
    return { roles: [], exp: 0, ...claims };
  } catch {
    return undefined;
  }
}

class Session {
  token = $state("");
  notice = $state("");
  theme = $state<Theme>("auto");
  claims = $derived(claimsOf(this.token));
  name = $derived(this.claims?.sub ?? "");
  mayEdit = $derived(
    this.claims?.roles.some((role) => ["planner", "admin"].includes(role.toLowerCase())) ?? false,
  );

  constructor() {
    // A link may carry a token behind #; it is taken out of the address at once.
    const carried = new URLSearchParams(location.hash.slice(1)).get("token");
    if (carried) history.replaceState(null, "", location.pathname + location.search);
    this.token = carried ?? sessionStorage.getItem(KEY) ?? "";
    if (carried) sessionStorage.setItem(KEY, carried);
    this.paint((localStorage.getItem(THEME_KEY) as Theme | null) ?? "auto");
  }

  /** Takes a token; says whether it can be one. */
  signIn(token: string): boolean {
    const trimmed = token.trim().replace(/^bearer\s+/i, "");
    const claims = claimsOf(trimmed);
    if (!claims) {
      this.notice = "This is not a token: it has three parts with dots between them.";
      return false;
    }
    if (claims.exp && claims.exp * 1_000 < Date.now()) {
      this.notice = "This token has run out. Ask for a new one.";
      return false;
    }
    this.notice = "";
    this.token = trimmed;
    sessionStorage.setItem(KEY, trimmed);
    return true;
  }

  signOut(notice = ""): void {
    this.token = "";
    this.notice = notice;
    sessionStorage.removeItem(KEY);
  }

  paint(theme: Theme): void {
    this.theme = theme;
    localStorage.setItem(THEME_KEY, theme);
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }
}

export const session = new Session();

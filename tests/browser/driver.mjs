// Runs scenarios in a real Chromium. One JSON object a line comes in: {id, script, args}; one goes out: {id, result},
// or {id, error}, with everything that the pages said and asked for meanwhile.
//
// A scenario is the body of an async function. It has `args`, and
//   open(options)   a page in a fresh profile
//   until(ask)      waits until the answer is true
//   soon(ask)       the same for four seconds, and says whether it became true
//   asked(part)     the answered requests whose address has this in it
//   stored(event)   how many events of that name the project of `args.project` has, by HogQL
//   judge(page)     what axe finds wrong about a page for people who see, hear or move less, and whether it is too wide
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];
const PATIENCE_MS = 60_000;
const AsyncFunction = (async () => {}).constructor;

// The package unpacks where TMPDIR says: beside itself, once, for all runs.
const require = createRequire(import.meta.url);
const chromiumPackage = join(dirname(fileURLToPath(import.meta.url)), "../../node_modules/@sparticuz/chromium");
const { version } = require(join(chromiumPackage, "package.json"));
process.env.TMPDIR = join(chromiumPackage, "../../.cache", `chromium-${version}`);
mkdirSync(process.env.TMPDIR, { recursive: true });
const { default: packaged, inflate, setupLambdaEnvironment } = await import("@sparticuz/chromium");
const { chromium } = await import("playwright-core");

async function executable() {
  const path = await packaged.executablePath();
  // A bare machine lacks NSS and fonts; the package brings both.
  const linked = execFileSync("ldd", [path], { encoding: "utf8" });
  if (linked.includes("not found")) {
    setupLambdaEnvironment(join(await inflate(join(chromiumPackage, "bin/al2023.tar.br")), "lib"));
  }
  if (!existsSync("/etc/fonts/fonts.conf")) process.env.FONTCONFIG_PATH = join(process.env.TMPDIR, "fonts");
  return path;
}

const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

async function judge(page) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { rules: { "target-size": { enabled: true } } });
    const wrong = violations.flatMap(({ id, impact, nodes }) => nodes.map(({ html }) => `${id} (${impact}): ${html.slice(0, 120)}`));
    const { scrollWidth } = document.documentElement;
    return scrollWidth > window.innerWidth ? [...wrong, `wider than the screen: ${scrollWidth}`] : wrong;
  });
}

const browser = await chromium.launch({ executablePath: await executable(), headless: true, args: FLAGS });

async function soon(ask, patience = 4_000) {
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer || Date.now() > deadline) return answer;
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

async function until(ask) {
  const answer = await soon(ask, PATIENCE_MS);
  if (!answer) throw new Error(`never true: ${ask}`);
  return answer;
}

async function run({ script, args }) {
  const console_ = [];
  const requests = [];
  const contexts = [];

  async function open(options = {}) {
    const context = await browser.newContext(options);
    contexts.push(context);
    context.setDefaultTimeout(PATIENCE_MS);
    context.on("page", (page) => {
      page.on("console", (message) => { console_.push({ kind: message.type(), text: message.text() }); });
      page.on("pageerror", (error) => { console_.push({ kind: "pageerror", text: String(error) }); });
    });
    context.on("requestfailed", (request) => {
      requests.push({ method: request.method(), url: request.url(), status: 0, error: request.failure()?.errorText });
    });
    context.on("response", async (response) => {
      const request = response.request();
      requests.push({ method: request.method(), url: request.url(), status: response.status() });
    });
    return context.newPage();
  }

  const asked = (part) => requests.filter((request) => request.status && request.url.includes(part));

  async function stored(event) {
    const { url, id, key } = args.project;
    const response = await fetch(`${url}/api/projects/${id}/query/`, {
      method: "POST",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({
        query: { kind: "HogQLQuery", query: "SELECT count() FROM events WHERE event = {event}", values: { event } },
        refresh: "force_blocking",
      }),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()).results[0][0];
  }

  try {
    const scenario = new AsyncFunction("open", "args", "until", "soon", "asked", "stored", "judge", script);
    const result = (await scenario(open, args, until, soon, asked, stored, judge)) ?? null;
    return { result, console: console_, requests };
  } catch (error) {
    return { error: String(error.stack ?? error), console: console_, requests };
  } finally {
    await Promise.all(contexts.map((context) => context.close()));
  }
}

process.stdout.write(`${JSON.stringify({ version: browser.version() })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  process.stdout.write(`${JSON.stringify({ id: asked.id, ...(await run(asked)) })}\n`);
}
await browser.close();

// The board in a real browser. Run by tests/board/browser.rs: node browser.mjs <what> <address of the board> [<address below it>…]
// Says on stdout what it waits for, goes on with the next line of stdin, and ends with 1 at the first thing that is wrong.
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";
import path from "node:path";
import readline from "node:readline";

const tools = process.env.GUARD_TEST_BROWSER;
const require = createRequire(path.join(tools, "package.json"));
const { chromium } = require("playwright-core");
const axe = require("axe-core");

const [what, board, ...below] = process.argv.slice(2);
const origin = new URL(board).origin;
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 320, height: 640 };

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const asks = async (wanted) => {
  console.log(wanted);
  await lines.next();
};

const browser = await chromium.launch({
  executablePath: path.join(tools, "chromium"),
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"],
});

// A page that notes all that must not be: errors, violations of the policy, dialogs, and requests to anything but the board.
const open = async (address, options = {}) => {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) wrong.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => wrong.push(`error: ${error}`));
  page.on("dialog", (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if ((url.origin !== origin || (url.protocol === "file:" && url.href !== board)) && url.protocol !== "data:") wrong.push(`request: ${url}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
  });
  const response = await page.goto(address);
  return { page, wrong, response, close: () => context.close() };
};

const fits = async (page) => {
  const [page_width, window_width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(page_width <= window_width, `${page.url()} is ${page_width} wide in a window of ${window_width}`);
};

// Rows after the first few are like them, and each takes its time.
const accessible = async (page) => {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run({ exclude: ["tbody tr:nth-child(n + 6)", ".day ~ .day ~ .day"] }, { resultTypes: ["violations"] }));
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join("\n")}`);
  assert.deepEqual(found, [], `${page.url()} can't be used by everybody`);
};

const shot = async (page, name) => {
  if (process.env.GUARD_TEST_SHOTS) await page.screenshot({ path: path.join(process.env.GUARD_TEST_SHOTS, `${name}.png`), fullPage: Boolean(process.env.GUARD_TEST_SHOTS_WHOLE) });
};

const clean = async ({ page, wrong }) => {
  assert.deepEqual([...wrong, ...(await page.evaluate(() => window.violations))], [], page.url());
};

const scenarios = {
  // Each view, light and dark, wide and on a phone.
  async views() {
    for (const colorScheme of ["light", "dark"]) {
      for (const viewport of [WIDE, PHONE]) {
        for (const [n, view] of ["", ...below].entries()) {
          const opened = await open(board + view, { colorScheme, viewport });
          const { page, response } = opened;
          assert.equal(response.status(), 200, page.url());
          await page.waitForSelector("h1");
          assert.ok((await page.locator("h1").innerText()).length > 3);
          await fits(page);
          await accessible(page);
          await shot(page, `${what}-${n}-${colorScheme}-${viewport.width}`);
          await clean(opened);
          await opened.close();
        }
      }
    }
  },

  // The report's page: a file of its own.
  async report() {
    for (const colorScheme of ["light", "dark"]) {
      for (const viewport of [WIDE, PHONE]) {
        const opened = await open(board, { colorScheme, viewport });
        const { page } = opened;
        await page.locator("summary").first().click();
        await fits(page);
        await accessible(page);
        await shot(page, `${what}-${colorScheme}-${viewport.width}`);
        await page.locator("#cases").evaluate((head) => head.scrollIntoView());
        await shot(page, `${what}-cases-${colorScheme}-${viewport.width}`);
        await clean(opened);
        await opened.close();
      }
    }
  },

  // Texts of others do nothing: they are read, by people.
  async hostile() {
    const opened = await open(board, { viewport: PHONE });
    const { page } = opened;
    for (const view of ["", "closed", ...below]) {
      await page.goto(board + view);
      assert.ok(!(await page.evaluate(() => "pwned" in window)), page.url());
      const strange = await page.locator("main :is(script, iframe, object, embed, img, form[action^='http'], [onerror], [onload], [style], a[href^='javascript'])").count();
      assert.equal(strange, 0, page.url());
      const elsewhere = await page.locator("a").evaluateAll((links, origin) => links.filter((link) => new URL(link.href).origin !== origin).length, origin);
      assert.equal(elsewhere, 0, page.url());
      await fits(page);
      await clean(opened);
    }
  },

  // All that can be done is done with the keyboard, and where one is can be seen.
  async keyboard() {
    const opened = await open(board);
    const { page } = opened;
    const order = [];
    for (;;) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const element = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        return { id: element.id, seen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 1 };
      });
      if (!at.id || order.includes(at.id)) break;
      assert.ok(at.seen, `${at.id} has no visible focus`);
      order.push(at.id);
    }
    const [first] = below;
    const links = await page.locator("#open-cases a").evaluateAll((links) => links.map((link) => link.id));
    const glance = ["to-guard", "to-clusters", "to-sinks", "to-holds", "to-grants"];
    assert.deepEqual(order, ["brand", "to-overview", "to-closed", ...glance, "open-cases", ...links]);
    await page.locator(`#${links[0]}`).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(`**/${first}`);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "to-closed");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/closed");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "cluster");
    await page.keyboard.type("prod");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/closed?cluster=prod&state=&day=");
    await clean(opened);
  },

  // A new case comes by itself, is said, and moves nobody.
  async update() {
    const opened = await open(board);
    const { page, wrong } = opened;
    await page.waitForSelector("[data-case]");
    await page.evaluate(() => { window.not_loaded_again = true; });
    const link = page.locator("[data-case] a").last();
    const focused = await link.getAttribute("id");
    await link.focus();
    await asks("another case");
    await page.waitForFunction(() => document.querySelectorAll("[data-case]").length === 2, null, { timeout: 60000 });
    assert.ok(await page.evaluate(() => window.not_loaded_again));
    assert.equal(await page.evaluate(() => document.activeElement.id), focused);
    assert.match(await page.locator("#news").textContent(), /^New: aks-prod-0002 was stopped by /);
    assert.match(await page.title(), /^\(2\) /);
    await clean(opened);
    await asks("no board");
    await page.waitForFunction(() => document.getElementById("lost").textContent.startsWith("No answer since"), null, { timeout: 60000 });
    assert.equal(await page.locator("[data-case]").count(), 2);
    assert.ok(wrong.every((what) => what.includes("ERR_CONNECTION_REFUSED") || what.includes("ERR_CONNECTION_RESET")), wrong.join("\n"));
  },

  // All is there without the script as well.
  async plain() {
    const opened = await open(board, { javaScriptEnabled: false });
    assert.equal(await opened.page.locator("[data-case]").count(), below.length);
    await opened.page.locator("[data-case] a").first().click();
    await opened.page.waitForURL(`**/${below[0]}`);
    assert.deepEqual(opened.wrong, []);
  },
};

try {
  await scenarios[what]();
  await browser.close();
  process.exit(0);
} catch (error) {
  console.error(error.message);
  await browser.close();
  process.exit(1);
}

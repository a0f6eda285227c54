/** Pages opened in Chromium, and all that they ask for and complain of. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

/** The folder of the pages that `python -m tests.page` has written. */
export const PAGES = process.env.PAGES;
const SHOTS = join(PAGES, "screenshots");
mkdirSync(SHOTS, { recursive: true });

let browser;

export async function started() {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  return browser;
}

export async function stopped() {
  await browser?.close();
}

/** What a page has done that it must not do. */
export class Watch {
  requests = [];
  messages = [];

  constructor(page, address) {
    page.on("request", (one) => {
      const url = one.url();
      // A file that is downloaded is a blob of the page itself.
      if (url !== address && !url.startsWith("data:") && !url.startsWith(`blob:${new URL(address).protocol}`)) {
        this.requests.push(url);
      }
    });
    page.on("console", (one) => this.messages.push(one.text()));
    page.on("pageerror", (error) => this.messages.push(String(error)));
  }

  assertQuiet() {
    assert.deepEqual(this.requests, []);
    assert.deepEqual(this.messages, []);
  }
}

/** Open a page and wait for its self-test. */
export async function opened(name, { scheme = "light", width = 1280, height = 900, ...options } = {}) {
  const context = await (await started()).newContext({ colorScheme: scheme, viewport: { width, height }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const address = pathToFileURL(join(PAGES, `${name}.html`)).href;
  const watch = new Watch(page, address);
  await page.goto(address);
  await page.waitForSelector(".badge.good, .badge.care, .badge.bad, .failed", { timeout: 60_000 });
  return { page, watch, close: () => context.close() };
}

/** Run a test in a page, which must ask for nothing and complain of nothing. */
export async function inPage(name, options, test) {
  const { page, watch, close } = await opened(name, options);
  try {
    await test(page, watch);
    watch.assertQuiet();
  } finally {
    await close();
  }
}

export async function shot(page, name) {
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

/** Wait until the row that is shown has been computed. */
export async function settled(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60))));
}

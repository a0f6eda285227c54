/** The page for people who use a keyboard, a screen reader or a phone: axe-core, focus, motion. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { inPage, stopped } from "./browser.mjs";

after(stopped);

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");

for (const name of ["iris", "image", "tokens", "two", "wide", "hostile", "odd"]) {
  for (const scheme of ["light", "dark"]) {
    for (const width of [1280, 375]) {
      test(`axe-core finds nothing: ${name}, ${scheme}, ${width} pixels`, () =>
        // The policy of the page lets no script in but its own.
        inPage(name, { scheme, width, bypassCSP: true }, async (page) => {
          const draw = page.getByRole("button", { name: "Draw" });
          if ((await draw.count()) > 0) {
            await draw.click();
            await page.waitForSelector(".histogram, #shots .quiet");
          }
          await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
          await page.waitForFunction(() => document.querySelector("#about pre").textContent !== "");
          await page.addScriptTag({ content: AXE });
          const { violations, passes } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
          const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 150)} ${failureSummary}`).join(" | ")}`);
          assert.deepEqual(found, []);
          assert.ok(passes.length > 20);
        }));
    }
  }
}

test("axe-core finds nothing on a page whose model does not run", () =>
  inPage("damaged", { bypassCSP: true }, async (page) => {
    assert.match(await page.textContent("[role=alert]"), /This page cannot run its model/);
    await page.addScriptTag({ content: AXE });
    const { violations } = await page.evaluate(() => axe.run(document));
    assert.deepEqual(violations.map(({ id }) => id), []);
  }));

test("axe-core would find something", () =>
  inPage("iris", { bypassCSP: true }, async (page) => {
    await page.evaluate(() => document.querySelector("#inputs label").remove());
    await page.addScriptTag({ content: AXE });
    const { violations } = await page.evaluate(() => axe.run(document));
    assert.deepEqual(violations.map(({ id }) => id), ["label"]);
  }));

for (const scheme of ["light", "dark"]) {
  test(`the tabulator reaches every control, and each shows that it has the focus: ${scheme}`, () =>
    inPage("iris", { scheme }, async (page) => {
      const controls = await page.evaluate(() => {
        const all = [...document.querySelectorAll("a[href], button:not(:disabled), input, select, summary, [tabindex='0']")];
        const shown = all.filter((one) => one.checkVisibility());
        shown.forEach((one, at) => one.setAttribute("data-control", at));
        return shown.length;
      });
      assert.ok(controls > 25);
      const reached = new Set();
      for (let press = 0; press < controls + 5; press += 1) {
        await page.keyboard.press("Tab");
        const { at, isMarked } = await page.evaluate(() => {
          const one = document.activeElement;
          const marked = one.matches(".button input") ? one.parentElement : one;
          const { outlineStyle, outlineWidth } = getComputedStyle(marked);
          return { at: one.getAttribute("data-control"), isMarked: outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2 };
        });
        if (at !== null) {
          assert.ok(isMarked, await page.evaluate(() => document.activeElement.outerHTML.slice(0, 200)));
          reached.add(at);
        }
      }
      assert.equal(reached.size, controls);
    }));
}

test("nothing moves for people who want no motion", () =>
  inPage("iris", { reducedMotion: "reduce" }, async (page) => {
    const found = await page.evaluate(() => [getComputedStyle(document.documentElement).scrollBehavior, getComputedStyle(document.querySelector(".bar")).transitionDuration]);
    assert.deepEqual(found, ["auto", "0s"]);
  }));

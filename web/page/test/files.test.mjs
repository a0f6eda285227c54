/** Files of every strategy, dtype and form of input, and one whose names are hostile. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { inPage, opened, PAGES, settled, shot, stopped } from "./browser.mjs";

after(stopped);

const GOLDEN = readdirSync(PAGES).filter((name) => name.startsWith("golden-")).map((name) => name.replace(/\.html$/, ""));

test("there are pages of the golden files", () => assert.ok(GOLDEN.length > 40));

for (const name of GOLDEN) {
  test(`${name} runs, and its self-test passes`, () =>
    inPage(name, {}, async (page) => {
      assert.match(await page.textContent(".badge"), /Self-test passed/);
      await page.waitForFunction(() => hybridx.model.circuits.length === 0 || document.querySelector(".circuit") !== null);
      await settled(page);
      const found = await page.evaluate(() => ({
        outputs: document.querySelectorAll("#outputs .bars, #outputs pre").length,
        expected: hybridx.model.outputs.length,
        drawn: document.querySelectorAll(".one-circuit").length,
        circuits: hybridx.model.circuits.length,
        wrong: [...document.querySelectorAll(".wrong, [role=alert]")].map((one) => one.textContent).filter((one) => one !== ""),
        empty: [...document.querySelectorAll("#outputs .number")].filter((one) => one.textContent.includes("NaN")).length,
      }));
      assert.equal(found.outputs, found.expected);
      assert.equal(found.drawn, found.circuits);
      assert.deepEqual(found.wrong, []);
      assert.equal(found.empty, 0);
    }));
}

test("hostile names are shown as they are, and nothing of them is run", () =>
  inPage("hostile", {}, async (page) => {
    const hostile = JSON.parse(readFileSync(join(PAGES, "hostile.json"), "utf-8"));
    assert.equal(await page.evaluate(() => window.wasRun), undefined);
    assert.equal(await page.locator("#page img, #page iframe, #page script").count(), 0);
    assert.deepEqual(await page.locator(".slider .name").allTextContents(), hostile);
    assert.deepEqual((await page.locator("#outputs .bars .name").allTextContents()).slice(0, hostile.length), hostile);
    assert.ok((await page.locator(".layer").allTextContents()).some((one) => one.includes("</script>")));
    const text = join(PAGES, "hostile.csv");
    writeFileSync(text, `${hostile.map((one) => `"${one.replaceAll('"', '""')}"`).join(",")}\n${hostile.map((_, at) => at / 10).join(",")}\n${hostile.map(() => "<img onerror=alert(1)>").join(",")}\n`);
    await page.setInputFiles("#batch input[type=file]", text);
    await page.waitForSelector("#batch table");
    await page.getByRole("button", { name: "Draw" }).click();
    await page.waitForSelector(".histogram");
    assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth <= innerWidth), "a name makes the page wider");
    await shot(page, "hostile");
    await page.setViewportSize({ width: 375, height: 800 });
    assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth <= innerWidth), "a name makes the page wider");
    await shot(page, "hostile-375");
  }));

test("a picture is drawn into the shape of the input", () =>
  inPage("image", {}, async (page) => {
    const before = await page.locator("#outputs .number").allTextContents();
    const picture = join(PAGES, "picture.png");
    // Half red and half blue, 8 x 4 pixels.
    const made = await page.evaluate(() => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 8, height: 4 });
      const pen = canvas.getContext("2d");
      [pen.fillStyle] = ["#ff0000"];
      pen.fillRect(0, 0, 4, 4);
      [pen.fillStyle] = ["#0000ff"];
      pen.fillRect(4, 0, 4, 4);
      return canvas.toDataURL("image/png");
    });
    writeFileSync(picture, Buffer.from(made.split(",")[1], "base64"));
    await page.setInputFiles(".image input[type=file]", picture);
    await page.waitForFunction(() => document.querySelector(".image [role=status]").textContent.includes("32 × 32 pixels"));
    await settled(page);
    assert.notDeepEqual(await page.locator("#outputs .number").allTextContents(), before);
    const corner = await page.evaluate(() => [...document.querySelector(".image canvas").getContext("2d").getImageData(2, 2, 1, 1).data]);
    assert.deepEqual(corner, [255, 0, 0, 255]);
    // The numbers that the model got: 1 in the first channel at the left, in the third at the right.
    const logits = await page.evaluate(async () => {
      const image = [0, 1, 2].map((channel) => Array.from({ length: 32 }, () => Array.from({ length: 32 }, (_, x) => Number(x < 16 ? channel === 0 : channel === 2))));
      return [...(await hybridx.predict({ image: [image] })).output.data];
    });
    await page.getByLabel("Show the logits").check();
    const shown = await page.locator("#outputs .number").allTextContents();
    shown.forEach((text, at) => assert.ok(Math.abs(Number(text.replace("−", "-")) - logits[at]) < 0.02, `${shown} ${logits}`));
    await page.getByLabel("white").fill("255");
    await page.getByLabel("white").press("Enter");
    await settled(page);
    assert.notDeepEqual(await page.locator("#outputs .number").allTextContents(), shown);
    writeFileSync(picture, "no picture");
    await page.setInputFiles(".image input[type=file]", picture);
    await page.waitForFunction(() => document.querySelector(".image [role=status]").textContent.includes("no picture"));
    await shot(page, "image");
  }));

test("tokens are a text of whole numbers", () =>
  inPage("tokens", {}, async (page) => {
    const field = page.locator("textarea");
    const before = await page.locator("#outputs .number").allTextContents();
    await field.fill("1 2 3 4 5 x");
    assert.match(await page.textContent(".wrong"), /"x" is no number/);
    await field.fill("1 2 3");
    assert.match(await page.textContent(".wrong"), /There are 3 numbers, and the model takes 6/);
    assert.deepEqual(await page.locator("#outputs .number").allTextContents(), before);
    await field.fill("1, 2, 3, 4, 5, 6");
    await settled(page);
    assert.equal(await page.textContent(".wrong"), "");
    assert.notDeepEqual(await page.locator("#outputs .number").allTextContents(), before);
    await shot(page, "tokens");
  }));

test("other inputs are edited as JSON, and read from a file", () =>
  inPage("two", {}, async (page) => {
    const field = page.locator("textarea");
    const wrong = page.locator(".editor .wrong");
    const before = await page.locator("#outputs .number").allTextContents();
    for (const [text, said] of [["[[1,", /not JSON/], ["[[1, 2], [3]]", /not equally long/], ['[["a", 2]]', /"a" is no number/], ["[[1, 2]]", /shape \(1, 2\), and the input takes \(6, 2\)/]]) {
      await field.fill(text);
      assert.match(await wrong.textContent(), said);
    }
    const rows = Array.from({ length: 6 }, (_, at) => [at, -at]);
    await field.fill(JSON.stringify(rows));
    await settled(page);
    const after = await page.locator("#outputs .number").allTextContents();
    assert.notDeepEqual(after, before);
    const file = join(PAGES, "rows.json");
    writeFileSync(file, JSON.stringify(rows.map(([one, other]) => [other, one])));
    await page.setInputFiles(".editor input[type=file]", file);
    await settled(page);
    assert.notDeepEqual(await page.locator("#outputs .number").allTextContents(), after);
    await page.getByRole("button", { name: "Reset" }).click();
    await settled(page);
    assert.deepEqual(await page.locator("#outputs .number").allTextContents(), before);
    await shot(page, "two");
  }));

test("names of JavaScript's own, NaN and whole numbers are shown as they are", () =>
  inPage("odd", {}, async (page) => {
    assert.deepEqual(await page.locator("#outputs h3").allTextContents(), ["constructor", "hasOwnProperty", "valueOf"]);
    assert.match(await page.textContent("#outputs pre"), /246913578/);
    assert.match(await page.locator("textarea").inputValue(), /123456789/);
    // A map follows an input that it has no axis for.
    await page.waitForFunction(() => document.querySelector("#map canvas").width === 96);
    const drawn = () => page.evaluate(() => document.querySelector("#map canvas").toDataURL());
    const before = await drawn();
    await page.locator("textarea").fill("[[2]]");
    await page.waitForFunction((old) => document.querySelector("#map canvas").toDataURL() !== old, before);
    // Only a circuit that is open is simulated.
    assert.deepEqual([await page.locator(".one-circuit").count(), await page.locator(".circuit").count()], [2, 1]);
    await page.locator(".one-circuit summary").nth(-1).click();
    await page.waitForFunction(() => document.querySelectorAll(".circuit").length === 2);
    const field = page.locator('.slider input[type="number"]').first();
    await field.fill("0.123456789");
    await field.press("Enter");
    assert.equal(await field.inputValue(), "0.123456789");
    await field.fill("-1");
    await field.press("Enter");
    await page.waitForFunction(() => document.querySelector(".verdict").textContent === "No class: the model gives NaN");
    assert.deepEqual((await page.locator("#outputs .number").allTextContents()).slice(0, 3), ["NaN %", "NaN %", "NaN %"]);
    await page.getByRole("button", { name: "Draw" }).click();
    await page.waitForSelector(".histogram");
    assert.match(await page.textContent(".verdicts"), /no class 100 of 100/);
    assert.match(await page.textContent(".histogram"), /exact NaN; 100 runs of 100 NaN or infinite/);
    await shot(page, "odd");
  }));

test("a picture of whole numbers is rounded to them", () =>
  inPage("pixels", {}, async (page) => {
    const picture = join(PAGES, "grey.png");
    const made = await page.evaluate(() => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 4, height: 4 });
      const pen = canvas.getContext("2d");
      [pen.fillStyle] = ["#0a64fa"];
      pen.fillRect(0, 0, 4, 4);
      return canvas.toDataURL("image/png");
    });
    writeFileSync(picture, Buffer.from(made.split(",")[1], "base64"));
    await page.setInputFiles(".image input[type=file]", picture);
    await page.waitForFunction(() => document.querySelector(".image [role=status]").textContent.includes("4 × 4 pixels"));
    await settled(page);
    const grey = Math.round(0.299 * 10 + 0.587 * 100 + 0.114 * 250);
    const [name, ...expected] = await page.evaluate(async (one) => {
      const [[name, { data }]] = Object.entries(await hybridx.predict({ image: [[Array.from({ length: 4 }, () => Array(4).fill(one))]] }));
      return [name, ...data];
    }, grey);
    const shown = await page.locator("#outputs .number").allTextContents();
    assert.equal(name, "__proto__");
    shown.forEach((text, at) => assert.ok(Math.abs(Number(text.replace("−", "-")) - expected[at]) < 1e-3, `${shown} ${expected}`));
  }));

test("rows that a dtype does not hold are left out of many", () =>
  inPage("levels", {}, async (page) => {
    const path = join(PAGES, "levels.csv");
    writeFileSync(path, "a,b,c\n1,2,3\n200,1,2\n1.5,1,1\n");
    await page.setInputFiles("#batch input[type=file]", path);
    await page.waitForSelector("#batch table");
    assert.deepEqual(await page.locator("#batch .wrong li").allTextContents(), ["Line 3: a is 200, and the model takes -128 to 127", "Line 4: a is 1.5, no whole number"]);
    assert.equal(await page.locator("#batch tbody tr").count(), 1);
  }));

test("a model that does not run on its first row says so, and that it has no self-test", async () => {
  const { page, close } = await opened("from_five"); // ONNX Runtime writes to the console too
  assert.match(await page.textContent(".badge"), /No self-test here: it has no self-test/);
  assert.match(await page.textContent("#outputs .wrong"), /does not run on this row/);
  await page.locator('.slider input[type="number"]').fill("6");
  await page.locator('.slider input[type="number"]').press("Enter");
  await page.waitForSelector("#outputs .number");
  assert.equal(await page.locator("#outputs .wrong").count(), 0);
  await close();
});

test("a circuit that takes long is simulated when that is asked for", () =>
  inPage("wide", {}, async (page) => {
    assert.equal(await page.locator(".bloch").count(), 0);
    await page.getByRole("button", { name: "Simulate this circuit" }).click();
    await page.waitForSelector(".bloch");
    assert.equal(await page.locator(".bloch").count(), 14);
    await page.locator('.slider input[type="range"]').first().press("ArrowRight");
    await page.getByRole("button", { name: "Simulate this circuit" }).waitFor();
    assert.equal(await page.locator(".bloch").count(), 0);
  }));

test("a circuit that no browser simulates says so, and the outputs are there", () =>
  inPage("too_wide", {}, async (page) => {
    assert.match(await page.textContent("#circuits"), /23 wires, too many to simulate in a browser/);
    assert.ok((await page.locator("#outputs .number").count()) > 0);
  }));

test("a model of 46 MB runs", () =>
  inPage("large", {}, async (page) => {
    const time = await page.evaluate(() => performance.getEntriesByName("hybridx-first-prediction")[0].startTime);
    console.log(`46 MB: first prediction after ${Math.round(time)} ms`);
    assert.match(await page.textContent(".badge"), /Self-test passed/);
  }));

test("a changed file says so instead of passing its self-test", () =>
  inPage("changed", {}, async (page) => {
    assert.match(await page.textContent(".badge"), /No self-test here: it was changed after hybridx wrote it/);
    assert.match(await page.textContent("#about"), /The file was changed after hybridx wrote it/);
  }));

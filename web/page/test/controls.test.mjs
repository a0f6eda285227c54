/** Every control of the page, used on the classifier of iris flowers. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { inPage, opened, PAGES, settled, shot, stopped } from "./browser.mjs";

after(stopped);

const COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"];
const CLASSES = ["setosa", "versicolor", "virginica"];

const numbers = (page) => page.locator("#outputs .bars .number").allTextContents();
const predicted = (page, rows) => page.evaluate(async (x) => [...(await hybridx.predict({ x })).output.data], rows);
const row = (page) => page.locator('.slider input[type="number"]').evaluateAll((all) => all.map((one) => Number(one.value)));

test("the first prediction is there within two seconds, and the self-test passes", async () => {
  const times = [];
  for (let time = 0; time < 3; time += 1) {
    const { page, watch, close } = await opened("iris");
    times.push(await page.evaluate(() => performance.getEntriesByName("hybridx-first-prediction")[0].startTime));
    assert.match(await page.textContent(".badge"), /Self-test passed in this browser: largest error \d\.\de-\d, tolerance 1e-5/);
    assert.equal(await page.title(), "Iris flowers");
    watch.assertQuiet();
    await close();
  }
  console.log(`first prediction after ${times.map(Math.round).join(", ")} ms`);
  assert.ok(Math.min(...times) < 2000);
});

test("a request would be seen, and the policy stops it", async () => {
  const { page, watch, close } = await opened("iris");
  await page.evaluate(() => fetch("https://example.org/").catch(() => undefined));
  await page.evaluate(() => document.body.append(Object.assign(document.createElement("img"), { src: "https://example.org/" })));
  await page.evaluate(() => document.body.append(Object.assign(document.createElement("script"), { textContent: "window.wasRun = true" })));
  await settled(page);
  assert.equal(await page.evaluate(() => window.wasRun), undefined);
  assert.ok(watch.messages.length >= 3);
  assert.throws(() => watch.assertQuiet());
  await close();
});

test("sliders and number fields change the outputs, and Reset takes it back", () =>
  inPage("iris", {}, async (page) => {
    const before = await numbers(page);
    assert.deepEqual(await page.locator(".slider .name").allTextContents(), COLUMNS);
    await page.locator('.slider input[type="range"]').nth(2).focus();
    for (let time = 0; time < 20; time += 1) {
      await page.keyboard.press("ArrowRight");
    }
    await settled(page);
    assert.notDeepEqual(await numbers(page), before);
    const field = page.locator('.slider input[type="number"]').nth(3);
    await field.fill("-12.5");
    await field.press("Enter");
    await settled(page);
    const [logits, shown] = [await predicted(page, [await row(page)]), await numbers(page)];
    const powers = logits.map(Math.exp);
    shown.forEach((text, at) => assert.ok(Math.abs(Number.parseFloat(text) - (100 * powers[at]) / powers.reduce((sum, one) => sum + one)) < 0.06, text));
    await field.fill("");
    await field.blur();
    assert.equal(await field.inputValue(), "-12.5");
    await page.getByRole("button", { name: "Reset" }).click();
    await settled(page);
    assert.deepEqual(await numbers(page), before);
  }));

test("the outputs are logits, shown as probabilities or as they are, in the digits that are chosen", () =>
  inPage("iris", {}, async (page) => {
    const total = (await numbers(page)).reduce((sum, one) => sum + Number.parseFloat(one), 0);
    assert.ok(Math.abs(total - 100) < 0.1);
    assert.ok(CLASSES.includes(await page.textContent(".verdict bdi")));
    await page.getByLabel("Show the logits").check();
    await page.getByLabel("Digits").selectOption("8");
    await settled(page);
    const [logits, texts] = [await predicted(page, [await row(page)]), await numbers(page)];
    texts.forEach((text, at) => {
      assert.ok(text.replace(/[^\d]/g, "").replace(/^0+/, "").length >= 7, text);
      assert.ok(Math.abs(Number(text.replace("−", "-")) - logits[at]) < 1e-4 * Math.max(1, Math.abs(logits[at])), `${text} ${logits[at]}`);
    });
  }));

test("angles, means and Bloch vectors of the circuit follow the row", () =>
  inPage("iris", {}, async (page) => {
    const state = async () =>
      page.evaluate(async (x) => {
        const [found] = await hybridx.model.circuitParameters({ x });
        return { parameters: [...found.row(0)], angles: [...document.querySelectorAll(".variable .angle")].map((one) => one.textContent), means: [...document.querySelectorAll(".circuit .measured")].map((one) => one.textContent), spheres: [...document.querySelectorAll(".bloch figcaption > span:first-of-type")].map((one) => one.textContent) };
      }, [await row(page)]);
    const before = await state();
    assert.deepEqual(before.angles, before.parameters.map((one) => one.toFixed(3).replace("-", "−")));
    assert.equal(before.spheres.length, 6);
    // The model measures Z of each wire, which is also the third number of its Bloch vector.
    before.means.forEach((text, wire) => assert.ok(before.spheres[wire].endsWith(text.replace("⟨Z⟩ ", "")), `${text} ${before.spheres[wire]}`));
    await page.locator('.slider input[type="range"]').nth(2).fill("6.5");
    await settled(page);
    const next = await state();
    assert.notDeepEqual(next.angles, before.angles);
    assert.deepEqual(next.angles, next.parameters.map((one) => one.toFixed(3).replace("-", "−")));
    assert.notDeepEqual(next.spheres, before.spheres);
    await page.getByText("All gates with their angles").click();
    await page.waitForSelector(".gates tbody tr");
    assert.equal(await page.locator(".gates tbody tr").count(), 54);
  }));

test("the decision map is moved by the keyboard and by clicks, and shows classes and numbers", () =>
  inPage("iris", {}, async (page) => {
    const picture = page.locator("#map .picture");
    await page.waitForFunction(() => document.querySelector("#map canvas").width === 96);
    assert.equal(await page.locator(".legend li .swatch").count(), 3);
    await page.getByLabel("Across").selectOption({ label: "sepal_length" });
    await page.getByLabel("Up", { exact: true }).selectOption({ label: "petal_width" });
    const before = await row(page);
    await picture.focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Shift+ArrowUp");
    await settled(page);
    const moved = await row(page);
    assert.ok(moved[0] > before[0] && moved[3] > before[3]);
    assert.deepEqual([moved[1], moved[2]], [before[1], before[2]]);
    const box = await picture.boundingBox();
    // It waits until the picture stands still and can be seen.
    await picture.click({ position: { x: 0.25 * box.width, y: 0.5 * box.height } });
    await settled(page);
    const clicked = await row(page);
    assert.ok(Math.abs(clicked[0] - (4.2 + 0.25 * 3.8)) < 0.03 && Math.abs(clicked[3] - 1.3) < 0.03, `${clicked}`);
    // What the map says of the row is what the model says.
    const logits = await predicted(page, [clicked]);
    assert.ok((await page.locator(".reading b").textContent()).startsWith(CLASSES[logits.indexOf(Math.max(...logits))]));
    await page.getByLabel("Shows").selectOption({ label: "virginica, as a number" });
    await page.waitForSelector(".colourbar");
    await page.mouse.move(0, 0);
    await page.waitForTimeout(800);
    const read = Number((await page.locator(".reading b").textContent()).replace("−", "-"));
    assert.ok(Math.abs(read - logits[2]) < 0.3, `${read} ${logits[2]}`);
    // The same column on both axes makes them change places.
    await page.getByLabel("Up", { exact: true }).selectOption({ label: "sepal_length" });
    assert.equal(await page.getByLabel("Across").evaluate((one) => one.selectedOptions[0].textContent), "petal_width");
  }));

test("shots are drawn with a seed, and again with the next", () =>
  inPage("iris", {}, async (page) => {
    const texts = () => page.locator(".histogram figcaption .quiet").allTextContents();
    const draw = async (button) => {
      await page.getByRole("button", { name: button }).click();
      await page.waitForFunction(() => document.querySelector("#shots button.main").disabled === false);
    };
    await page.getByLabel("Shots").selectOption({ label: "100" });
    await draw("Draw");
    const first = await texts();
    assert.match(await page.textContent("#shots [role=status]"), /100 runs of 100 shots drawn with seed 1/);
    assert.equal(first.length, 3);
    await draw("Again");
    const second = await texts();
    assert.notDeepEqual(second, first);
    await page.getByLabel("Seed").fill("1");
    await draw("Draw");
    assert.deepEqual(await texts(), first);
    const spread = (text) => Number(/± ([\d.e−]+)/.exec(text)[1].replace("−", "-"));
    await page.getByLabel("Shots").selectOption({ label: "10,000" });
    await draw("Draw");
    // A hundred times the shots, a tenth of the noise.
    const ratio = spread(first[1]) / spread((await texts())[1]);
    assert.ok(ratio > 5 && ratio < 20, `${ratio}`);
    const tally = (await page.locator(".tally b").allTextContents()).reduce((sum, one) => sum + Number(one), 0);
    assert.equal(tally, 100);
    await page.locator('.slider input[type="range"]').nth(0).press("ArrowRight");
    await settled(page);
    assert.match(await page.textContent("#shots [role=status]"), /The row has changed since/);
  }));

async function given(page, text) {
  const path = join(PAGES, "given.csv");
  writeFileSync(path, text);
  await page.setInputFiles("#batch input[type=file]", path);
  await page.waitForFunction(() => document.querySelector("#batch table, #batch .wrong") !== null && document.querySelector("#batch [role=status]").textContent.includes(" of ") === false);
}

test("a CSV file is predicted, in any order of its columns, and downloaded", () =>
  inPage("iris", {}, async (page) => {
    await given(page, "name,petal_width,petal_length,sepal_width,sepal_length\nfirst,0.2,1.4,3.5,5.1\n\"the, second\",1.8,5.1,3.0,5.9\n");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download 2 rows" }).click()]);
    assert.equal(download.suggestedFilename(), "given.predictions.csv");
    const [header, ...rows] = readFileSync(await download.path(), "utf-8").trim().split("\r\n").map((line) => line.split(","));
    assert.deepEqual(header, ["line", ...COLUMNS, "class", "probability", ...CLASSES]);
    const logits = await predicted(page, [[5.1, 3.5, 1.4, 0.2], [5.9, 3.0, 5.1, 1.8]]);
    assert.deepEqual(rows.map((one) => one[5]), ["setosa", "virginica"]);
    rows.forEach((one, at) => one.slice(7).forEach((cell, place) => assert.ok(Math.abs(Number(cell) - logits[3 * at + place]) < 1e-5)));
    assert.equal(await page.locator("#batch tbody tr").count(), 2);
  }));

test("rows that are bad are named and left out, and files that do not fit are refused", () =>
  inPage("iris", {}, async (page) => {
    await given(page, `${COLUMNS.join(";")}\n5.1;3.5;1.4;0.2\n5.1;oops;1.4;0.2\n5.1;;1.4;0.2\n`);
    assert.deepEqual(await page.locator("#batch .wrong li").allTextContents(), ['Line 3: sepal_width is "oops", no number', "Line 4: it has no sepal_width"]);
    assert.equal(await page.locator("#batch tbody tr").count(), 1);
    await given(page, "5.1,3.5,1.4,0.2\n");
    assert.match(await page.textContent("#batch"), /no header, so its columns are taken in the order/);
    await given(page, "a,b,c,d\n5.1,3.5,1.4,0.2\n");
    assert.match(await page.textContent("#batch"), /taken in their order: a, b, c, d/);
    await given(page, "sepal_length,b\n5.1,3.5\n");
    assert.match(await page.textContent("#batch .wrong"), /no column sepal_width, petal_length, petal_width/);
    await given(page, `${COLUMNS.join(",")}\n`);
    assert.match(await page.textContent("#batch .wrong"), /a header and no rows/);
    await given(page, `"a, b, and c"\t${COLUMNS.join("\t")}\r1\t5.1\t3.5\t1.4\t0.2\r`);
    assert.equal(await page.locator("#batch tbody tr").count(), 1);
    await given(page, "1,2\n");
    assert.match(await page.textContent("#batch .wrong"), /2 columns and no header; the model takes 4/);
    await given(page, "");
    assert.match(await page.textContent("#batch .wrong"), /empty/);
  }));

test("many rows run while the page answers, and can be stopped", () =>
  inPage("iris", {}, async (page) => {
    const line = "5.1,3.5,1.4,0.2\n";
    const path = join(PAGES, "many.csv");
    writeFileSync(path, line.repeat(300_000));
    await page.setInputFiles("#batch input[type=file]", path);
    await page.getByRole("button", { name: "Stop" }).click();
    await page.waitForFunction(() => !document.querySelector("#batch [role=status]").textContent.includes(" of "));
    assert.equal(await page.locator("#batch table").count(), 0);
    await given(page, line.repeat(5000));
    assert.match(await page.textContent("#batch [role=status]"), /5,000 rows predicted/);
    assert.equal(await page.locator("#batch tbody tr").count(), 50);
  }));

test("what was verified, versions, hashes and licences are told", () =>
  inPage("iris", {}, async (page) => {
    const text = await page.textContent("#about");
    for (const one of [/Compared with the model in PyTorch when it was exported, at batch 1, 2, 5, 16/, /as hybridx wrote it/, /onnxruntime-web 1\.30\.0/, /written by/]) {
      assert.match(text, one);
    }
    assert.ok((await page.locator(".hashes code").allTextContents()).every((one) => /^[0-9a-f]{64}$/.test(one)));
    await page.getByText("Licences of the software").click();
    await page.waitForFunction(() => document.querySelector("#about pre").textContent.includes("protobuf"));
    await page.getByText("For scripts").click();
  }));

test("scripts predict with lists and with typed arrays, and are told what is wrong", () =>
  inPage("iris", {}, async (page) => {
    const found = await page.evaluate(async () => {
      const { output } = await hybridx.predict({ x: Float32Array.of(5.1, 3.5, 1.4, 0.2) });
      return { dims: output.dims, dtype: output.dtype, wrong: await hybridx.predict({ y: [] }).catch((error) => error.message) };
    });
    assert.deepEqual([found.dims, found.dtype], [[1, 3], "float32"]);
    assert.match(found.wrong, /it has no input y; it has x/);
  }));

for (const [scheme, width] of [["light", 1280], ["dark", 1280], ["light", 375], ["dark", 375]]) {
  test(`a picture of the page is kept: ${scheme}, ${width} pixels`, () =>
    inPage("iris", { scheme, width }, async (page) => {
      await page.getByRole("button", { name: "Draw" }).click();
      await page.waitForSelector(".histogram");
      await page.waitForTimeout(600);
      await shot(page, `iris-${scheme}-${width}`);
      assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth <= innerWidth), "the page is wider than the screen");
    }));
}

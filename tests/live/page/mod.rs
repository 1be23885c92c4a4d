//! The page of a plan in a real browser: it is seen, filtered by hand and by keyboard, and loads nothing.

mod browser;
mod world;

use browser::Browser;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use world::{Page, fleet, platform};

/// Where pictures are put, for people to look at.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pictures")
}

/// Visible steps and groups of changes.
fn visible(browser: &Browser) -> (u64, u64) {
    let seen = browser.run(
        "const count = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility()).length;
         return [count('.steps > li[id]'), count('.group')];",
    );
    (seen[0].as_u64().expect("a number"), seen[1].as_u64().expect("a number"))
}

/// Nothing was complained about, and nothing was loaded beside the page.
#[track_caller]
fn quiet(browser: &Browser) {
    let complaints = browser.console();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let loaded = browser.run("return performance.getEntriesByType('resource').map((one) => one.name);");
    assert_eq!(loaded, serde_json::json!([]), "the page loads nothing");
}

/// Types into a field as somebody would, after what is in it was taken away.
fn fill(browser: &Browser, field: &str, text: &str) {
    browser.run(&format!(
        "const field = document.getElementById('filters').elements['{field}'];
         field.value = ''; field.dispatchEvent(new Event('input', {{ bubbles: true }})); field.focus();"
    ));
    browser.keys(text);
}

/// Contrast of all texts with what is behind them, the least of it.
const CONTRAST: &str = "
    const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const colour = rgb(getComputedStyle(element).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const texts = [...document.querySelectorAll('h1, h2, h3, p, dt, dd, li, summary, pre span, .pill, .wave, label, output, code')]
        .filter((one) => one.checkVisibility() && one.textContent.trim());
    return Math.min(...texts.map((one) => {
        const [a, b] = [light(rgb(getComputedStyle(one).color)), light(behind(one))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }));";

#[test]
fn a_plan_is_seen_and_filtered_in_a_browser() {
    let page = Page::of(&platform("6.6.2", "1g", 1024), &platform("6.7.0", "2g", 4096), |_| {});
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.prefers("light");
    browser.open(&page.url());
    quiet(&browser);
    // The graph is seen, a box for each tier of each service, and its waves lead to their steps.
    let graph = browser.run(
        "const svg = document.querySelector('figure svg'), box = svg.getBoundingClientRect();
         const boxes = [...svg.querySelectorAll('.g-node')].map((one) => one.getBoundingClientRect());
         const apart = boxes.every((a, n) => boxes.slice(n + 1).every((b) =>
             a.bottom <= b.top || b.bottom <= a.top || a.right <= b.left || b.right <= a.left));
         const inside = [...svg.querySelectorAll('.g-node')].every((node) => [...node.querySelectorAll('text')].every((text) =>
             text.getBoundingClientRect().right <= node.querySelector('.g-box').getBoundingClientRect().right));
         const led = [...svg.querySelectorAll('a')].every((one) => document.getElementById(one.getAttribute('href').slice(1)));
         return [box.width > 200 && box.height > 200, boxes.length, apart, inside, led];",
    );
    assert_eq!(graph, serde_json::json!([true, 5, true, true, true]), "seen, boxes, apart, texts inside, links");
    browser.picture(&pictures().join("plan-light.png"), true);
    let (steps, groups) = visible(&browser);
    assert!(steps > 4 && groups > 3, "{steps} steps, {groups} groups");
    // By keyboard alone: `/` searches, Escape shows everything again.
    browser.keys("/max_clause_count");
    let (_, found) = visible(&browser);
    assert!(found >= 1 && found < groups, "{found} of {groups}");
    let shown = browser.run("return [document.querySelectorAll('.group:not([hidden]) details[open]').length > 0, document.getElementById('shown').textContent, location.hash];");
    assert_eq!((&shown[0], &shown[2]), (&true.into(), &"#q=max_clause_count".into()), "{shown}");
    assert!(shown[1].as_str().is_some_and(|text| text.contains(&format!("{found} of {groups} groups"))), "{shown}");
    browser.keys("\u{e00c}");
    assert_eq!(visible(&browser), (steps, groups));
    // By role, by host, by kind.
    browser.run("const role = document.getElementById('filters').elements.role; role.value = 'kibana'; role.dispatchEvent(new Event('input', { bubbles: true }));");
    let by_role =
        browser.run("return [...document.querySelectorAll('.group:not([hidden])')].map((one) => one.dataset.roles);");
    assert_eq!(by_role, serde_json::json!(["kibana"]));
    browser.run("document.getElementById('show-all').click();");
    fill(&browser, "host", "node6");
    let (steps_there, groups_there) = visible(&browser);
    assert!(steps_there < steps && groups_there < groups, "only what is about node6");
    browser.run(
        "document.getElementById('show-all').click(); document.querySelector('.kinds input[value=file]').click();",
    );
    let kinds = browser.run("return [...new Set([...document.querySelectorAll('[data-kind]')].filter((one) => one.checkVisibility()).map((one) => one.dataset.kind))];");
    assert_eq!(kinds, serde_json::json!(["file"]));
    // What was filtered is in the address, and comes back with it.
    let address = browser.run("return location.href;");
    browser.open("about:blank");
    browser.open(address.as_str().expect("an address"));
    assert_eq!(browser.run("return document.querySelector('.kinds input[value=file]').checked;"), true);
    browser.run("document.getElementById('show-all').click();");
    // Light and dark, wide and narrow: everything can be read, and nothing sticks out.
    for scheme in ["light", "dark"] {
        browser.prefers(scheme);
        let contrast = browser.run(CONTRAST).as_f64().expect("a number");
        assert!(contrast >= 4.5, "{scheme}: a text has a contrast of {contrast:.2}");
    }
    let paper = browser.run("return getComputedStyle(document.body).backgroundColor;");
    assert_eq!(paper, "rgb(20, 24, 27)", "dark where the reader prefers it");
    browser.picture(&pictures().join("plan-dark.png"), true);
    browser.prefers("light");
    browser.size(390, 844);
    let wider = browser.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth;");
    assert_eq!(wider, false, "a narrow window does not scroll sideways");
    browser.picture(&pictures().join("plan-narrow.png"), true);
    quiet(&browser);
}

#[test]
fn a_plan_for_a_thousand_hosts_opens_at_once_and_is_filtered() {
    let page = Page::of(&fleet(1_003, 2181, "64m"), &fleet(1_003, 2182, "65m"), |_| {});
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.prefers("light");
    let begin = Instant::now();
    browser.open(&page.url());
    let (steps, groups) = visible(&browser);
    let took = begin.elapsed();
    println!(
        "a page for 1,000 hosts: {} bytes, opened in {took:?}",
        std::fs::metadata(&page.path).expect("a page").len()
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(groups < 10, "what is the same on all is told once: {groups} groups");
    let begin = Instant::now();
    fill(&browser, "q", "cache@node517");
    let (found_steps, found) = visible(&browser);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(
        found >= 1 && found < groups && found_steps < steps,
        "{found_steps} of {steps} steps, {found} of {groups} groups"
    );
    let says = browser.run("return [...document.querySelectorAll('.hit')].map((one) => one.textContent).join();");
    assert!(says.as_str().is_some_and(|text| text.contains("node517 is one of them")), "{says}");
    browser.picture(&pictures().join("fleet-light.png"), false);
    quiet(&browser);
}

#[test]
fn what_a_host_says_is_text_and_nothing_else() {
    let hostile =
        "</span></pre><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u{202e}";
    let page = Page::of(&platform("6.7.0", "1g", 1024), &platform("6.7.0", "2g", 1024), |inventory| {
        for seen in inventory.hosts.values_mut() {
            let es_cluster::inventory::Seen::Seen(host) = seen else { continue };
            for file in host.instances.values_mut().flat_map(|one| one.files.values_mut()) {
                file.content = file.content.as_ref().map(|text| format!("{hostile}\n{text}"));
            }
        }
    });
    let browser = Browser::start();
    browser.open(&page.url());
    let seen = browser.run("return [document.title.includes('owned'), document.querySelectorAll('img').length, document.scripts.length, document.querySelector('pre')?.textContent ?? ''];");
    assert_eq!((&seen[0], &seen[1], &seen[2]), (&false.into(), &0.into(), &2.into()), "{seen}");
    assert!(seen[3].as_str().is_some_and(|text| text.contains("<img src=x onerror=")), "{seen}");
    quiet(&browser);
}

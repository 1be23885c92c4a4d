'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const hosts = JSON.parse($('hosts').textContent);
  const numbers = new Map(hosts.map((name, number) => [name, number]));

  // "0-3,7" → [[0, 3], [7, 7]]: places in the list of hosts.
  const ranges = (text) => text ? text.split(',').map((part) => part.split('-').map(Number)).map(([a, b = a]) => [a, b]) : [];
  const holds = (item, number) => item.hosts.some(([first, last]) => first <= number && number <= last);
  const items = all('[data-roles]').map((element) => ({
    element,
    hosts: ranges(element.dataset.hosts),
    roles: element.dataset.roles.split(' ').filter(Boolean),
    lines: all('[data-kind]', element),
    hit: element.querySelector('.hit'),
    text: null,
  }));
  const words = (item) => item.text ??= item.element.textContent.toLowerCase();
  const form = $('filters');
  const { q, role, host } = form.elements;
  const kinds = all('input[name=kind]', form);
  let opened = [];

  // Hosts whose name has the text in it; a whole name is only itself.
  const named = (text) => numbers.has(text) ? [numbers.get(text)] : hosts.flatMap((name, number) => name.includes(text) ? [number] : []);
  const wanted = () => ({
    terms: q.value.toLowerCase().split(/\s+/).filter(Boolean).map((text) => {
      const [before, after] = text.split('@');
      return { text, role: after === undefined ? null : before, hosts: named(after ?? text) };
    }),
    role: role.value,
    host: host.value.trim().toLowerCase(),
    kinds: kinds.filter((kind) => kind.checked).map((kind) => kind.value),
  });
  const found = (item, term) => words(item).includes(term.text) ||
    ((term.role === null || item.roles.some((name) => name.includes(term.role))) && term.hosts.some((number) => holds(item, number)));

  const apply = () => {
    const want = wanted();
    const only = want.host ? named(want.host) : null;
    const shown = { change: 0, step: 0 }, total = { change: 0, step: 0 };
    opened.forEach((details) => { details.open = false; });
    opened = [];
    for (const item of items) {
      const kind = item.lines.length ? 'change' : 'step';
      let visible = (!want.role || item.roles.includes(want.role)) &&
        (!only || only.some((number) => holds(item, number))) &&
        want.terms.every((term) => found(item, term));
      if (kind === 'change') {
        for (const line of item.lines) line.hidden = want.kinds.length > 0 && !want.kinds.includes(line.dataset.kind);
        visible &&= item.lines.some((line) => !line.hidden);
      }
      item.element.hidden = !visible;
      total[kind] += 1;
      shown[kind] += visible ? 1 : 0;
      if (item.hit) {
        const which = [...new Set([...want.terms.map((term) => term.hosts), only ?? []].flatMap((some) => some.length === 1 ? some : []))];
        item.hit.textContent = which.filter((number) => holds(item, number)).map((number) => `${hosts[number]} is one of them`).join(', ');
      }
      if (visible && want.terms.length) {
        for (const details of all('details:not([open])', item.element)) {
          const text = details.textContent.toLowerCase();
          if (want.terms.some((term) => term.text.length > 2 && text.includes(term.text))) {
            details.open = true;
            opened.push(details);
          }
        }
      }
    }
    const filtered = shown.change < total.change || shown.step < total.step;
    const part = (what) => `${shown[what]} of ${total[what]} ${what === 'change' ? 'groups' : 'steps'}`;
    $('shown').textContent = filtered ? `${part('step')}, ${part('change')}` : '';
    $('show-all').hidden = !(q.value || role.value || host.value || want.kinds.length);
    for (const list of ['steps', 'changes']) {
      const none = $(`no-${list}`);
      if (none) none.hidden = shown[list === 'steps' ? 'step' : 'change'] > 0;
    }
    const state = new URLSearchParams();
    for (const field of [q, role, host]) if (field.value) state.set(field.name, field.value);
    if (want.kinds.length) state.set('kind', want.kinds.join(','));
    const hash = state.toString();
    if (hash || location.hash.includes('=')) history.replaceState(null, '', `#${hash}`);
  };

  const restore = () => {
    if (!location.hash.includes('=')) return;
    const state = new URLSearchParams(location.hash.slice(1));
    for (const field of [q, role, host]) field.value = state.get(field.name) ?? '';
    const chosen = (state.get('kind') ?? '').split(',');
    for (const kind of kinds) kind.checked = chosen.includes(kind.value);
  };
  const reset = () => { form.reset(); apply(); };

  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  $('show-all').addEventListener('click', () => { reset(); q.focus(); });
  for (const [id, open] of [['open', true], ['close', false]]) {
    $(id)?.addEventListener('click', () => { opened = []; all('.group details').forEach((details) => { details.open = open; }); });
  }
  document.addEventListener('keydown', (event) => {
    const typing = event.target.matches('input, select, textarea');
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); q.focus(); q.select(); }
    if (event.key === 'Escape' && typing) { if (q.value || role.value || host.value) reset(); else event.target.blur(); }
  });
  // A step that is asked for is shown, whatever is filtered.
  addEventListener('hashchange', () => {
    const step = location.hash.startsWith('#step-') && $(location.hash.slice(1));
    if (step && step.hidden) { form.reset(); apply(); step.scrollIntoView(); }
  });
  document.documentElement.classList.add('scripted');
  restore();
  apply();
})();

'use strict';

const ROWS = 100;
const $ = (id) => document.getElementById(id);
let missed = 0;
let waiting = [];

function row(cells, className) {
  const tr = document.createElement('tr');
  if (className) tr.className = className;
  for (const cell of cells) tr.insertCell().textContent = cell;
  return tr;
}

const withPort = (address, port) =>
  (port === 0 ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`);

function eventRow(event) {
  return row([event.time, withPort(event.src, event.src_port), withPort(event.dst, event.dst_port),
    event.proto, event.action, event.direction, event.pkt_size, event.interface],
  event.action.toLowerCase());
}

// At most once per frame: a busy link sends more events than a screen can show.
function draw() {
  if (waiting.length > 0 && !$('pause').checked) {
    $('events').prepend(...waiting.slice(-ROWS).reverse().map(eventRow));
    while ($('events').rows.length > ROWS) $('events').lastElementChild.remove();
  }
  waiting = [];
  requestAnimationFrame(draw);
}

async function showSummary() {
  try {
    const answer = await fetch('api/summary');
    if (!answer.ok) throw new Error((await answer.json()).error);
    const summary = await answer.json();
    $('addresses').replaceChildren(...summary.top.packets.map((address) => row([address.ip,
      address.packets_per_second.toFixed(1), address.bytes_per_second.toFixed(0),
      address.unique_dst_ports])));
    $('state').textContent = `aggregator ${summary.aggregator.state}, `
      + `${summary.minute.packets_per_second.toFixed(1)} packets/s, ${summary.active_flows} flows`;
  } catch (error) {
    $('state').textContent = error.message;
  }
  setTimeout(showSummary, 2000);
}

const source = new EventSource('events');
source.onmessage = (message) => {
  waiting.push(JSON.parse(message.data));
  if (waiting.length > 10 * ROWS) waiting = waiting.slice(-ROWS);
};
source.addEventListener('missed', (message) => {
  missed += JSON.parse(message.data).count;
  $('missed').textContent = `${missed} events not shown`;
});
requestAnimationFrame(draw);
showSummary();

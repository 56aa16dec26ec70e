export async function load() { return {}; }
export function title() { return "Compare"; }
export function path() { return []; }
export function view() { return null; }

// What a source raises where what was asked for is not there, or was asked for wrongly.

/** The message is the source's own: it says what is missing, and what would do. */
export class Missing extends Error {}

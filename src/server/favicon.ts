/** A sphere with an orbit and a body on it: an orrery. Readable at 16 pixels, on light and on dark. */
export const FAVICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="6" fill="#f59e0b"/><ellipse cx="16" cy="16" rx="14" ry="7" fill="none" stroke="#6366f1" stroke-width="2.5" transform="rotate(-25 16 16)"/><circle cx="27" cy="9" r="3.5" fill="#6366f1"/></svg>'

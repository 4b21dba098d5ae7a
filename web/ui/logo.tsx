/** The drawing of public/favicon.svg, in the page itself: an image of its own would stay broken where its one request fails. */
export const Logo = ({ size }: { size: number }) => (
  <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true" className="shrink-0">
    <rect width="32" height="32" rx="8" fill="#4353d8" />
    <path
      d="M10 22V10m12 12V10M10 16h7m-3-4 4 4-4 4"
      fill="none"
      stroke="#fff"
      strokeWidth="2.6"
      strokeLinecap="round"
      strokeLinejoin="round"
    />
  </svg>
)

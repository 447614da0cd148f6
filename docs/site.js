/* Names and keys for readers who do not use a mouse, where the theme leaves them out. */
document.querySelector(".md-search")?.setAttribute("aria-label", "Search")
document.querySelectorAll("nav.md-nav").forEach((nav, number) => {
  const title = nav.querySelector(":scope > .md-nav__title")?.innerText.trim()
  nav.removeAttribute("aria-labelledby")
  nav.setAttribute("aria-label", `${nav.getAttribute("aria-label") ?? title ?? "Pages"} ${number + 1}`)
})
const reachable = () =>
  document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code").forEach((box) => {
    if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0")
  })
addEventListener("load", reachable)
addEventListener("resize", reachable)
/* The theme adds a copy button to each block of code when it comes into view, each as a landmark of the same name. */
const name = () =>
  document.querySelectorAll("nav.md-code__nav:not([aria-label])").forEach((nav) => {
    nav.setAttribute("aria-label", `Code ${document.querySelectorAll("nav.md-code__nav[aria-label]").length + 1}`)
  })
new MutationObserver(name).observe(document.body, { childList: true, subtree: true })
name()
/* A column without a title has no header. */
document.querySelectorAll("th:empty").forEach((cell) => cell.replaceWith(document.createElement("td")))
/* A picture opens in its full size, which a phone needs. */
document.querySelectorAll("article img").forEach((picture) => {
  if (picture.closest("a")) return
  const link = document.createElement("a")
  link.href = picture.src
  picture.replaceWith(link)
  link.append(picture)
})

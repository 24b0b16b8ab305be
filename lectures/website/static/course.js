// Search shows a few words of each page it finds: show a formula once, as it is seen, and not also
// as the MathML that is there for screen readers.
document.addEventListener("DOMContentLoaded", () => {
    if (typeof Search === "undefined") return;
    const words = Search.htmlToText;
    Search.htmlToText = (html, anchor) => {
        const page = new DOMParser().parseFromString(html, "text/html");
        page.querySelectorAll(".katex-mathml").forEach((formula) => formula.remove());
        return words(page.documentElement.outerHTML, anchor);
    };
});

/* Made of web/islands by make bundle. */
"use strict";(()=>{function o(e){e.dataset.mounted=""}function n(e){e.dataset.mounted=""}function m(e){e.dataset.mounted=""}var i={flame:o,timeline:n,tree:m};for(let e of document.querySelectorAll("[data-island]")){let t=i[e.dataset.island??""];t&&t(e)}})();

"""Pages on this machine, in the browser: FastAPI, Jinja2 and plain JavaScript. Extra `web`.

connections whose connections are taken, how many, for how long
guard      who may ask: this machine's browser, with the token, from a page of ours
server     the app, its address, serving it
html       templates filled in, the same way for all
templates/ static/   base.html.j2, page.css and page.js are what every page is made of
"""

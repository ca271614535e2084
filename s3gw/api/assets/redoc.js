// The page of /redoc: ReDoc on our own document.
Redoc.init("openapi.json", { untrustedSpec: false }, document.getElementById("docs"));

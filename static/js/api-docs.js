// The viewer asks nobody else: no validator, no key kept after the page is closed.
const place = document.getElementById("document");
SwaggerUIBundle({
  url: place.dataset.openapi,
  domNode: place,
  validatorUrl: null,
  persistAuthorization: false,
  deepLinking: true,
});

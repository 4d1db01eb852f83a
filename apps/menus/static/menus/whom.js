// Choosing for whom: of the fields only those that the kind of scope needs.

export function watchScopes() {
  for (const choice of document.querySelectorAll("[data-scope-switch]")) {
    const form = choice.form;
    const show = () => {
      for (const label of form.querySelectorAll("[data-for-scope]")) label.hidden = !label.dataset.forScope.split(" ").includes(choice.value);
      const none = form.querySelector("[name=company] option[value='']");
      if (none) none.textContent = choice.value === "company" ? "choose one" : "all companies";
    };
    choice.addEventListener("change", show);
    show();
  }
}

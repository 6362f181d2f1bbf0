Bokeh.register_plugin({
  "tiny_ext/index": function (require, module, exports) {
    const { LayoutDOM, LayoutDOMView } = require("models/layouts/layout_dom");
    const model = (name, properties, render) => {
      class View extends LayoutDOMView {
        get child_models() {
          return [];
        }
        connect_signals() {
          super.connect_signals();
          this.connect(this.model.change, () => this.rerender());
        }
        render() {
          super.render();
          const text = document.createElement("span");
          text.textContent = render(this.model);
          this.shadow_el.append(text);
        }
      }
      return class extends LayoutDOM {
        static name = name; // Bokeh 3.10 takes this one, and earlier ones the next
        static __name__ = name;
        static __module__ = "tiny_ext";
        static {
          this.prototype.default_view = View;
          this.define(properties);
        }
      };
    };
    const models = {
      Badge: model("Badge", ({ Str }) => ({ text: [Str, ""] }), ({ text }) => window.tinyMark + window.shout(text)),
      Elsewhere: model("Elsewhere", () => ({}), () => window.library()),
      Evaluated: model("Evaluated", () => ({}), () => {
        Promise.resolve().then(() => new Function("1")());
        return "evaluated";
      }),
    };
    require("base").register_models(models);
    module.exports = models;
  },
}, "tiny_ext/index");
//# sourceMappingURL=tiny_ext.js.map

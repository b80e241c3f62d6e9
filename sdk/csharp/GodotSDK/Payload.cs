#nullable enable
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>
    /// JSON to send: made from a token, a dictionary, a number or a text, or written by hand. It is JSON text from the start, so
    /// that what it was made of may change afterwards, and so that nothing here needs reflection. What cannot be JSON fails with
    /// <c>bad_request</c> where it is made.
    /// </summary>
    public readonly struct Payload
    {
        private readonly string? json;

        private Payload(string json)
        {
            this.json = json;
        }

        /// <summary>The text that is sent; <c>null</c> by default.</summary>
        public string Text => json ?? "null";

        /// <summary>Writes it by hand, without any object in between: <c>Payload.Write(w => w.WriteValue(1))</c>.</summary>
        /// <param name="write">Writes exactly one value.</param>
        public static Payload Write(Action<JsonWriter> write) => new Payload(Json.Write(write));

        /// <summary>An object of these members: <c>Payload.Of(("x", 1.5), ("y", 2))</c>.</summary>
        /// <param name="members">Names and values; a value is what a dictionary may hold, see <see cref="From"/>.</param>
        public static Payload Of(params (string Name, object? Value)[] members) => Write(writer =>
        {
            writer.WriteStartObject();
            foreach (var (name, value) in members)
            {
                writer.WritePropertyName(name);
                WriteValue(writer, value);
            }
            writer.WriteEndObject();
        });

        /// <summary>
        /// A value of unknown type: null, a text, a truth value, a number, a <see cref="JToken"/>, a <see cref="Payload"/>, and
        /// dictionaries (with texts as keys) and lists of these.
        /// </summary>
        /// <param name="value">The value.</param>
        public static Payload From(object? value) => Write(writer => WriteValue(writer, value));

        /// <summary>
        /// Any object, such as an anonymous one, by reflection. Not for iOS, WebGL and trimmed programs, where its members may have
        /// been removed.
        /// </summary>
        /// <param name="value">The object.</param>
#if NET5_0_OR_GREATER
        [System.Diagnostics.CodeAnalysis.RequiresUnreferencedCode("Members of the object may have been removed. Use Payload.Of or a JObject.")]
#endif
#if NET7_0_OR_GREATER
        [System.Diagnostics.CodeAnalysis.RequiresDynamicCode("Use Payload.Of or a JObject.")]
#endif
        public static Payload Reflect(object value)
        {
            try
            {
                return JToken.FromObject(value);
            }
            catch (JsonException e)
            {
                throw Errors.Usage($"A payload cannot be made of a {value.GetType()}: {e.Message}");
            }
        }

        /// <summary>From a token.</summary>
        /// <param name="token">The token.</param>
        public static implicit operator Payload(JToken? token) => From(token);

        /// <summary>From a dictionary.</summary>
        /// <param name="members">See <see cref="From"/>.</param>
        public static implicit operator Payload(Dictionary<string, object?> members) => From(members);

        /// <summary>From a text.</summary>
        /// <param name="text">The text.</param>
        public static implicit operator Payload(string? text) => From(text);

        /// <summary>From a whole number.</summary>
        /// <param name="number">The number.</param>
        public static implicit operator Payload(long number) => From(number);

        /// <summary>From a number.</summary>
        /// <param name="number">The number.</param>
        public static implicit operator Payload(double number) => From(number);

        /// <summary>From a truth value.</summary>
        /// <param name="value">The value.</param>
        public static implicit operator Payload(bool value) => From(value);

        private static void WriteValue(JsonWriter writer, object? value)
        {
            switch (value)
            {
                case null: writer.WriteNull(); break;
                case Payload payload: writer.WriteRawValue(payload.Text); break;
                case JToken token: token.WriteTo(writer); break;
                case string text: writer.WriteValue(text); break;
                case bool flag: writer.WriteValue(flag); break;
                case float single: writer.WriteValue(single); break;
                case double real: writer.WriteValue(real); break;
                case decimal exact: writer.WriteValue(exact); break;
                case ulong large: writer.WriteValue(large); break;
                case Enum _: throw Unknown(value);
                case IConvertible number when IsWhole(number): writer.WriteValue(number.ToInt64(CultureInfo.InvariantCulture)); break;
                case IDictionary members: WriteObject(writer, members); break;
                case IReadOnlyDictionary<string, object?> members: WriteObject(writer, members); break;
                case IEnumerable items: WriteArray(writer, items); break;
                default: throw Unknown(value);
            }
        }

        private static bool IsWhole(IConvertible value)
        {
            var type = value.GetTypeCode();
            return type >= TypeCode.SByte && type <= TypeCode.Int64;
        }

        private static void WriteObject(JsonWriter writer, IDictionary members)
        {
            writer.WriteStartObject();
            foreach (DictionaryEntry member in members)
            {
                writer.WritePropertyName(member.Key as string ?? throw Unknown(member.Key));
                WriteValue(writer, member.Value);
            }
            writer.WriteEndObject();
        }

        private static void WriteObject(JsonWriter writer, IReadOnlyDictionary<string, object?> members)
        {
            writer.WriteStartObject();
            foreach (var member in members)
            {
                writer.WritePropertyName(member.Key);
                WriteValue(writer, member.Value);
            }
            writer.WriteEndObject();
        }

        private static void WriteArray(JsonWriter writer, IEnumerable items)
        {
            writer.WriteStartArray();
            foreach (var item in items) WriteValue(writer, item);
            writer.WriteEndArray();
        }

        private static GodraException Unknown(object value) => Errors.Usage(
            $"A payload cannot hold a {value.GetType()}: give texts, numbers, truth values, dictionaries with texts as keys, lists and JTokens, "
            + "or use Payload.Reflect");
    }
}
